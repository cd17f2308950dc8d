import copy
import threading

from vqzoo.replicas import ReplicaLosses


def test_each_replica_sees_and_clears_its_own_losses_only():
    losses = ReplicaLosses()
    losses.extend([1.0])
    seen = []

    def other_replica():
        seen.append(losses[:])
        losses.extend([2.0, 3.0])
        seen.append(losses[:])
        losses.clear()
        seen.append(losses[:])

    thread = threading.Thread(target=other_replica)
    thread.start()
    thread.join()
    assert seen == [[], [2.0, 3.0], []]
    assert losses[:] == [1.0]


def test_a_copy_starts_without_losses():
    losses = ReplicaLosses()
    losses.extend([1.0])
    assert copy.deepcopy(losses)[:] == []
    assert losses[:] == [1.0]

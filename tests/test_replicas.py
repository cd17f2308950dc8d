import copy
import threading

import keras
import numpy as np
import pytest
from keras import ops

from vqzoo import replicas


def test_one_device_is_one_replica():
    tensor = np.array([1.0, 2.0], "float32")
    assert replicas.replica_position() == (0, 1)
    assert replicas.sum_across_replicas(tensor) is tensor


def sampled(rows, count, seed=3, mask=None):
    rows = np.array(rows, "float32")[:, None]
    seed = keras.random.SeedGenerator(seed)
    drawn, usable = replicas.sample_rows(rows, count, seed, mask)
    return ops.convert_to_numpy(drawn)[:, 0], ops.convert_to_numpy(usable).tolist()


@pytest.mark.parametrize("count", [1, 4, 25, 50, 100])
def test_sampled_rows_come_one_from_each_part(count):
    drawn, usable = sampled(range(100), count)
    parts = np.sort(drawn) // (100 / count)
    assert parts.tolist() == list(range(count)) and all(usable)


def test_sampled_rows_repeat_in_turn_where_there_are_too_few():
    drawn, usable = sampled(range(4), 12)
    assert usable == [True] * 4 + [False] * 8
    assert sorted(drawn[:4]) == [0, 1, 2, 3]
    assert drawn.tolist() == [*drawn[:4]] * 3
    assert len({sampled(range(4), 12, seed)[0][0] for seed in range(20)}) == 4


def test_masked_rows_are_not_sampled_and_those_not_finite_are_not_usable():
    mask = np.arange(100) % 3 == 1
    drawn, usable = sampled(range(100), 33, mask=mask)
    assert sorted(drawn) == list(range(1, 100, 3)) and all(usable)
    drawn, usable = sampled([0, np.nan, 2, np.inf], 4)
    np.testing.assert_array_equal(usable, np.isfinite(drawn))
    assert sum(usable) == 2
    drawn, usable = sampled(range(4), 3, mask=np.zeros(4, bool))
    assert usable == [False] * 3
    assert sampled([], 3)[1] == [False] * 3


def test_every_row_is_sampled_as_often():
    rows = np.arange(10, dtype="float32")[:, None]
    seed = keras.random.SeedGenerator(0)
    drawn = [replicas.sample_rows(rows, 3, seed)[0].numpy()[:, 0] for _ in range(400)]
    shares = np.bincount(np.concatenate(drawn).astype(int), minlength=10) / 1200
    np.testing.assert_allclose(shares, 0.1, atol=0.03)  # 3.5 standard deviations


def test_each_replica_sees_and_clears_its_own_losses_only():
    losses = replicas.ReplicaLosses()
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
    losses = replicas.ReplicaLosses()
    losses.extend([1.0])
    assert copy.deepcopy(losses)[:] == []
    assert losses[:] == [1.0]

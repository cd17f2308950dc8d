"""What the replicas of a batch share: sums over all of them, one stream of noise."""

import sys
import threading

import keras
from keras import ops

from vqzoo.ops import finite_rows


def replica_position():
    """This replica's index and the number of replicas in sync.

    Returns:
        `(index, count)`; `(0, 1)` outside a TensorFlow distribution strategy. On
        JAX one program sees the whole batch, so that its answer is `(0, 1)` too.
    """
    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def sum_across_replicas(tensor):
    """Sum of `tensor` over the replicas in sync, equal on each of them.

    Args:
        tensor: float tensor of this replica. Must not need a gradient.

    Returns:
        Float tensor, same shape; `tensor` itself where there is one replica.
    """
    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_reduce("SUM", tensor)


def _replica_context():
    if keras.backend.backend() != "tensorflow":
        return None
    # With this backend TensorFlow is loaded already; it is never imported from here.
    return sys.modules["tensorflow"].distribute.get_replica_context()


def place_among_replicas(count):
    """Where this replica's rows begin in the joint batch, and how many that has.

    Args:
        count: int or int32 tensor, rows of this replica; the last batch of a data set
            may leave fewer for one, or none.

    Returns:
        `(start, total)`, ints or int32 tensors.
    """
    index, num_replicas = replica_position()
    if num_replicas == 1:
        return 0, count
    replicas = ops.arange(num_replicas)
    counts = ops.where(ops.equal(replicas, index), ops.cast(count, "float32"), 0.0)
    counts = ops.cast(sum_across_replicas(counts), "int32")
    return ops.sum(ops.where(replicas < index, counts, 0)), ops.sum(counts)


def draw_rows(draw, num_rows):
    """This replica's rows of random values that are drawn for the joint batch.

    All replicas draw from one stream, so that their values together equal what one
    device draws for the whole batch.

    Args:
        draw: function from a number of rows to random values `(rows, ...)`.
        num_rows: int or int tensor, rows of this replica.

    Returns:
        Tensor `(num_rows, ...)`.
    """
    if replica_position()[1] == 1:
        return draw(num_rows)
    start, total = place_among_replicas(num_rows)
    return ops.take(draw(total), start + ops.arange(num_rows), axis=0)


def sample_rows(rows, count, seed, mask=None):
    """Draws rows from the batch of all replicas; every replica gets the same ones.

    Positions are stratified, one in each of `count` equal parts of the joint batch, and
    then shuffled. Of fewer rows than `count` each comes once, in the order of the batch
    from a random one on, and then again.

    Args:
        rows: float `(N, D)`, this replica's part.
        count: int, how many rows to draw.
        seed: `keras.random.SeedGenerator`.
        mask: bool, for each of the rows, whether it may be drawn; or None for all.

    Returns:
        `(drawn, usable)`: float `(count, D)`, and bool `(count,)`, which of them are
        finite and no repetition.
    """
    rows = ops.stop_gradient(rows)
    num_local = ops.shape(rows)[0]
    if mask is not None:
        mask = ops.reshape(mask, (-1,))
        # The rows that count first, in their order.
        order = ops.argsort(ops.where(mask, 0, num_local) + ops.arange(num_local))
        num_local = ops.sum(ops.cast(mask, "int32"))
    start, total = place_among_replicas(num_local)
    offsets = keras.random.uniform((count,), seed=seed)
    places = ops.arange(count, dtype="int32")
    strata = ops.cast(places, "float32") + offsets
    size = ops.cast(total, "float32")
    spread = ops.cast(ops.floor(strata * (size / count)), "int32")
    spread = ops.minimum(keras.random.shuffle(spread, seed=seed), total - 1)
    first = ops.cast(ops.floor(offsets[0] * size), "int32")
    in_turn = ops.mod(places + first, ops.maximum(total, 1))
    local = ops.where(total >= count, spread, in_turn) - start
    mine = ops.logical_and(local >= 0, local < num_local)
    index = ops.where(mine, local, 0)
    drawn = _take(rows, index if mask is None else _take(order, index))
    if replica_position()[1] > 1:
        drawn = sum_across_replicas(ops.where(mine[:, None], drawn, 0.0))
    return drawn, ops.logical_and(places < total, finite_rows(drawn))


class ReplicaLosses(threading.local):
    """The losses of a layer's last call, for each replica its own.

    A mirrored strategy runs its replicas in threads that take turns at each sum across
    them. In Keras 3 they share one list of losses, so that a replica would count, or
    clear, what the others added. A layer that sums across replicas puts this instead of
    that list.
    """

    def __init__(self):
        self.values = []

    def extend(self, losses):
        """Adds losses of this replica's call."""
        self.values.extend(losses)

    def clear(self):
        """Forgets the losses of this replica's call."""
        self.values.clear()

    def __getitem__(self, index):
        return self.values[index]

    def __reduce__(self):
        return (ReplicaLosses, ())


def _take(rows, index):
    """Rows of an index; zeros where there is no row at all."""
    if rows.shape[0]:
        return ops.take(rows, index, axis=0)
    zeros = ops.zeros((index.shape[0], *rows.shape[1:]), rows.dtype)
    if rows.shape[0] == 0:
        return zeros
    return ops.cond(
        ops.shape(rows)[0] > 0, lambda: ops.take(rows, index, axis=0), lambda: zeros
    )

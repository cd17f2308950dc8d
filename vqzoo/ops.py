"""Pure tensor functions shared by the layers: no state, no weights."""

import math
import sys

import keras
from keras import ops

# Scores held at once by `nearest_code`: 2**20 float32 are 4 MiB, which stay in cache.
_SCORES_PER_BLOCK = 2**20
_MIN_ROWS_PER_BLOCK = 128


def nearest_code(latents, codebook):
    """Indices of the codes nearest to each latent in Euclidean distance.

    The squared norm of a latent is the same for every code, so the code that maximizes
    `z.e - |e|^2 / 2` is the nearest one; the second term rides in the same product.
    Rows are taken in blocks, so that the N x K scores never stand in memory together.

    Args:
        latents: float `(N, D)`.
        codebook: float `(K, D)`.

    Returns:
        int32 `(N,)`, in [0, K). Ties go to the lowest index. No gradient.
    """
    latents = ops.stop_gradient(ops.cast(latents, "float32"))
    codebook = ops.stop_gradient(ops.cast(codebook, "float32"))
    half_norms = 0.5 * ops.sum(ops.square(codebook), axis=1)

    def nearest(rows):
        return _argmax(ops.matmul(rows, ops.transpose(codebook)) - half_norms)

    num_codes, dim = codebook.shape
    rows_per_block = max(_MIN_ROWS_PER_BLOCK, _SCORES_PER_BLOCK // num_codes)
    num_rows = latents.shape[0]
    if num_rows is not None and num_rows <= rows_per_block:
        return nearest(latents)
    return _map_rows(nearest, latents, dim, rows_per_block)


def _argmax(scores):
    # keras.ops.argmax passes over the scores three more times on TensorFlow, to order
    # -0.0 below 0.0; for a nearest code the two are the same.
    if keras.backend.backend() == "tensorflow":
        return _tensorflow().argmax(scores, axis=1, output_type="int32")
    return ops.cast(ops.argmax(scores, axis=1), "int32")


def _tensorflow():
    # With this backend TensorFlow is loaded already; it is never imported from here.
    return sys.modules["tensorflow"]


def _map_rows(function, rows, dim, rows_per_block):
    """Applies `function` to blocks of equal height, at most `rows_per_block` high."""
    num_rows = ops.shape(rows)[0]
    if isinstance(num_rows, int):
        num_blocks = max(1, math.ceil(num_rows / rows_per_block))
        height = math.ceil(num_rows / num_blocks)
    else:
        num_blocks = ops.maximum((num_rows - 1) // rows_per_block + 1, 1)
        height = (num_rows - 1) // num_blocks + 1
    padding = num_blocks * height - num_rows
    padded = ops.pad(rows, [[0, padding], [0, 0]])
    blocks = ops.reshape(padded, (num_blocks, height, dim))
    return ops.reshape(ops.map(function, blocks), (-1,))[:num_rows]


def straight_through(latents, quantized):
    """The quantized values forward, to the bit, the identity of `latents` backward.

    Args:
        latents: float tensor, z_e.
        quantized: float tensor of the same shape, e_k.

    Returns:
        Float tensor, same shape.

    Source: van den Oord et al. 2017, arXiv 1711.00937, section 3.2.
    """
    return ops.stop_gradient(quantized) + (latents - ops.stop_gradient(latents))


def code_statistics(latents, codes, num_codes):
    """How many latents chose each code, and the sum of those latents.

    Args:
        latents: float32 `(N, D)`.
        codes: int `(N,)`, in [0, num_codes).
        num_codes: int, K.

    Returns:
        `(counts, sums)`: float32 `(K,)` and `(K, D)`, over this replica's latents.
    """
    sums = ops.segment_sum(latents, codes, num_segments=num_codes)
    counts = ops.segment_sum(
        ops.ones_like(latents[:, 0]), codes, num_segments=num_codes
    )
    return counts, sums


def replica_position():
    """This replica's index and the number of replicas in sync.

    Returns:
        `(index, count)`; `(0, 1)` outside of a TensorFlow distribution strategy. On
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
    return _tensorflow().distribute.get_replica_context()


def sample_rows(rows, count, seed):
    """Draws rows from the batch of all replicas; every replica gets the same ones.

    Positions are stratified, one in each of `count` equal parts of the joint batch, and
    then shuffled: none repeats where the rows are a multiple of `count`, and a row can
    be drawn twice, by neighboring parts, where they are not.

    Args:
        rows: float `(N, D)`, this replica's part; N is equal on all replicas.
        count: int, how many rows to draw.
        seed: `keras.random.SeedGenerator`.

    Returns:
        Float `(count, D)`.
    """
    index, num_replicas = replica_position()
    rows = ops.stop_gradient(rows)
    num_local = ops.shape(rows)[0]
    total = ops.cast(num_local * num_replicas, "float32")
    offsets = keras.random.uniform((count,), seed=seed)
    strata = ops.arange(count, dtype="float32") + offsets
    positions = ops.cast(ops.floor(strata * (total / count)), "int32")
    positions = keras.random.shuffle(positions, seed=seed)
    positions = ops.minimum(positions, ops.cast(total, "int32") - 1)
    local = positions - index * num_local
    drawn = ops.take(rows, ops.clip(local, 0, num_local - 1), axis=0)
    if num_replicas == 1:
        return drawn
    mine = ops.logical_and(local >= 0, local < num_local)
    return sum_across_replicas(ops.where(mine[:, None], drawn, 0.0))


def sort_along_main_axis(rows, num_iterations=10):
    """Sorts rows by their place on the axis along which they vary most.

    The axis is found by power iteration from the row farthest from the mean; an axis
    that is not quite the main one sorts nearly as well.

    Args:
        rows: float `(N, D)`.
        num_iterations: int.

    Returns:
        Float `(N, D)`, the same rows in another order; equal rows stay in theirs.
    """
    centered = rows - ops.mean(rows, axis=0)
    farthest = ops.argmax(ops.sum(ops.square(centered), axis=1))
    axis = ops.take(centered, farthest, axis=0)[:, None]
    for _ in range(num_iterations):
        axis = ops.matmul(ops.transpose(centered), ops.matmul(centered, axis))
        axis = axis / ops.maximum(ops.norm(axis), 1e-30)
    order = ops.argsort(ops.matmul(centered, axis)[:, 0])
    return ops.take(rows, order, axis=0)

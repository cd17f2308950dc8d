"""Pure tensor functions shared by the layers: no state, no weights."""

import contextlib
import contextvars
import math
import sys

import keras
from keras import ops

# Scores held at once by `nearest_code`: 2**20 float32 are 4 MiB, which stay in cache.
_SCORES_PER_BLOCK = 2**20
_MIN_ROWS_PER_BLOCK = 128


_IN_ONE_BLOCK = contextvars.ContextVar("in one block", default=False)


@contextlib.contextmanager
def in_one_block():
    """Traces searches of codes without a loop over blocks, which some formats lack."""
    token = _IN_ONE_BLOCK.set(True)
    try:
        yield
    finally:
        _IN_ONE_BLOCK.reset(token)


def nearest_code(latents, codebook):
    """Indices of the codes nearest to each latent in Euclidean distance.

    The squared norm of a latent is the same for every code, so the code that maximizes
    `z.e - |e|^2 / 2` is the nearest one. Rows are taken in blocks, so that the N x K
    scores never stand in memory together.

    Args:
        latents: float `(N, D)`.
        codebook: float `(K, D)`.

    Returns:
        int32 `(N,)`, in [0, K). Ties go to the lowest index. No gradient.
    """
    return _best_code(latents, codebook, lambda scores: scores)


def sample_code(latents, codebook, temperature, seed):
    """Draws a code for each latent; nearer codes are likelier.

    The probability of code k is proportional to exp(-|z - e_k|^2 / temperature). The
    largest of the scores with Gumbel noise on them is such a draw, so that blocks of
    rows do here too.

    Args:
        latents: float `(N, D)`.
        codebook: float `(K, D)`.
        temperature: float above 0, in units of a squared distance.
        seed: `keras.random.SeedGenerator`.

    Returns:
        int32 `(N,)`, in [0, K). No gradient.
    """

    def with_noise(scores):
        uniform = keras.random.uniform(ops.shape(scores), 1e-20, 1.0, seed=seed)
        gumbel = -ops.log(-ops.log(uniform) + 1e-20)
        return scores * (2 / temperature) + gumbel

    # JAX forbids a state that changes in a loop; the blocks stand one after the other.
    unroll = latents.shape[0] is not None
    return _best_code(latents, codebook, with_noise, _each_row if unroll else None)


def _best_code(latents, codebook, change, in_blocks=None):
    """The code of the largest changed score `z.e - |e|^2 / 2`, for each latent."""
    latents = ops.stop_gradient(ops.cast(latents, "float32"))
    codebook = ops.stop_gradient(ops.cast(codebook, "float32"))
    half_norms = 0.5 * ops.sum(ops.square(codebook), axis=1)

    def best(rows):
        return _argmax(change(ops.matmul(rows, ops.transpose(codebook)) - half_norms))

    return map_rows(best, latents, codebook.shape[0], in_blocks)


def _argmax(scores):
    # keras.ops.argmax passes over the scores three more times on TensorFlow, to order
    # -0.0 below 0.0; for a nearest code the two are the same.
    if keras.backend.backend() == "tensorflow":
        return _tensorflow().argmax(scores, axis=1, output_type="int32")
    return ops.cast(ops.argmax(scores, axis=1), "int32")


def _tensorflow():
    # With this backend TensorFlow is loaded already; it is never imported from here.
    return sys.modules["tensorflow"]


def mean_of(values, mask=None, axis=None):
    """Mean of values over the rows that count, 0 where there is none.

    A replica may get no row of an uneven last batch: a mean over none is no number, and
    would be in every sum.

    Args:
        values: float `(..., D)`.
        mask: bool, for each of the rows `(...)`, whether it counts; or None for all.
        axis: None for the mean of all, 0 for that of each column of `(N, D)`.

    Returns:
        Float scalar, or `(D,)`.
    """
    if mask is None:
        num_rows = values.shape[0]
        if num_rows is None:
            mean = ops.mean(values, axis=axis)
            return ops.where(ops.shape(values)[0] > 0, mean, 0.0)
        return ops.mean(values, axis=axis) if num_rows else ops.sum(values, axis=axis)
    count = ops.maximum(ops.sum(ops.cast(mask, values.dtype)), 1.0)
    mask = ops.reshape(mask, (*ops.shape(values)[:-1], 1))
    kept = ops.sum(ops.where(mask, values, 0.0), axis=axis)
    return kept / (count if axis == 0 else count * values.shape[-1])


def finite_rows(rows):
    """Which rows are finite numbers throughout: bool `(N,)` of float `(N, D)`."""
    # A product is one pass over the rows; the small factor keeps their sum in range.
    factor = ops.full((rows.shape[1], 1), 2.0**-20)
    return ops.isfinite(ops.matmul(ops.stop_gradient(rows), factor))[:, 0]


def map_rows(function, rows, scores_per_row, in_blocks=None):
    """What a function makes of rows, taken in blocks whose scores stay in cache.

    Args:
        function: from float `(n, D)` to a tensor `(n, ...)`.
        rows: float `(N, D)`.
        scores_per_row: int, the numbers that it holds at once for a row.
        in_blocks: as `_map_rows`, which it is by default.

    Returns:
        Tensor `(N, ...)`.
    """
    rows_per_block = max(_MIN_ROWS_PER_BLOCK, _SCORES_PER_BLOCK // scores_per_row)
    num_rows = rows.shape[0]
    if _IN_ONE_BLOCK.get() or num_rows is not None and num_rows <= rows_per_block:
        return function(rows)
    return (in_blocks or _map_rows)(function, rows, rows.shape[1], rows_per_block)


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
    values = ops.map(function, blocks)
    return ops.reshape(values, (-1, *values.shape[2:]))[:num_rows]


def _each_row(function, rows, dim, rows_per_block):
    """`_map_rows` without a loop in the graph, for a known number of rows."""
    blocks = [
        function(rows[start : start + rows_per_block])
        for start in range(0, rows.shape[0], rows_per_block)
    ]
    return ops.concatenate(blocks, axis=0)


def straight_through(latents, quantized):
    """The quantized values forward, bit for bit; the identity of `latents` backward.

    Args:
        latents: float tensor, z_e.
        quantized: float tensor of the same shape, e_k.

    Returns:
        Float tensor, same shape.

    Source: van den Oord et al. 2017, arXiv 1711.00937, section 3.2.
    """
    return ops.stop_gradient(quantized) + (latents - ops.stop_gradient(latents))


def rotation_trick(latents, quantized):
    """The quantized values forward; backward, the rotation from latent to code.

    The gradient passes through the linear map that rotates and scales each latent onto
    its code, taken as a constant, so that the angle between gradient and code stays
    what it was between gradient and latent.

    Args:
        latents: float tensor `(..., D)`, z_e.
        quantized: float tensor of the same shape, e_k.

    Returns:
        Float tensor, same shape.

    Source: Fifty et al. 2024, arXiv 2410.06424, section 4.2.
    """
    fixed, target = ops.stop_gradient(latents), ops.stop_gradient(quantized)
    scale = lengths(target) / lengths(fixed)
    start, end = unit_norm(fixed), unit_norm(target)
    middle = unit_norm(start + end)
    along_middle = ops.sum(latents * middle, axis=-1, keepdims=True)
    along_start = ops.sum(latents * start, axis=-1, keepdims=True)
    rotated = latents - 2 * along_middle * middle + 2 * along_start * end
    moved = scale * rotated
    return target + (moved - ops.stop_gradient(moved))


def lengths(vectors):
    """Euclidean lengths along the last axis, which stays; at least 1e-6."""
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return ops.sqrt(ops.maximum(squares, 1e-12))


def unit_norm(vectors):
    """Vectors of length 1 along the last axis; those shorter than 1e-6 stay shorter."""
    return vectors / lengths(vectors)


def assignment_entropy(latents, codebook, max_latents=1024, mask=None):
    """Entropies of the soft assignment of latents to codes, in nats.

    The probability of a code is proportional to exp(-|z - e|^2 / t), where t is the
    mean squared distance to the nearest code, so that it neither saturates nor goes
    flat when the scale changes. Latents beyond `max_latents` are thinned out evenly,
    because gradients need the whole table of probabilities.

    Args:
        latents: float32 `(N, D)`.
        codebook: float32 `(K, D)`.
        max_latents: int.
        mask: bool `(N,)`, the latents that count, or None for all.

    Returns:
        `(single, joint)`: the mean entropy of a latent's assignment, low when the
        choice is clear, and the entropy of the mean assignment, log K when all codes
        are used alike. Float32 scalars with gradients to both arguments.
    """
    step = -(-(latents.shape[0] or 1) // max_latents)
    latents = latents[::step]
    mask = None if mask is None else ops.reshape(mask, (-1,))[::step]
    products = ops.matmul(latents, ops.transpose(codebook))
    squares = ops.sum(ops.square(latents), axis=1, keepdims=True)
    distances = squares - 2 * products + ops.sum(ops.square(codebook), axis=1)
    # With an initial value the least of an empty batch is no error.
    least = ops.min(distances, axis=1, initial=float("inf"), keepdims=True)
    scale = ops.stop_gradient(ops.maximum(mean_of(least, mask), 1e-10))
    log_p = ops.log_softmax(-distances / scale, axis=1)
    probabilities = ops.exp(log_p)
    single = -mean_of(ops.sum(probabilities * log_p, axis=1, keepdims=True), mask)
    mean = mean_of(probabilities, mask, axis=0)
    return single, -ops.sum(mean * ops.log(ops.maximum(mean, 1e-30)))


def code_statistics(latents, codes, num_codes):
    """How many latents chose each code, and the sum of those latents.

    Args:
        latents: float32 `(N, D)`.
        codes: int `(N,)`, in [0, num_codes); a latent of code -1 is left out.
        num_codes: int, K.

    Returns:
        `(counts, sums)`: float32 `(K,)` and `(K, D)`, over this replica's latents.
    """
    sums = ops.segment_sum(latents, codes, num_segments=num_codes)
    counts = ops.segment_sum(
        ops.ones_like(latents[:, 0]), codes, num_segments=num_codes
    )
    return counts, sums


def k_means(rows, centers, num_iterations=10):
    """Lloyd's iterations: centers become the means of the rows nearest to them.

    Args:
        rows: float `(N, D)`.
        centers: float `(K, D)`, where to start.
        num_iterations: int.

    Returns:
        Float `(K, D)`; a center that no row is nearest to stays where it is.
    """
    for _ in range(num_iterations):
        codes = nearest_code(rows, centers)
        counts, sums = code_statistics(rows, codes, centers.shape[0])
        means = sums / ops.maximum(counts, 1)[:, None]
        centers = ops.where(counts[:, None] > 0, means, centers)
    return centers


def main_axis_order(rows, num_iterations=10):
    """The order of rows by their place on the axis along which they vary most.

    The axis is found by power iteration from the direction in which the rows rise as
    they stand, so that rows that are nearly in order stay so and are not reversed; an
    axis that is not quite the main one orders nearly as well.

    Args:
        rows: float `(N, D)`.
        num_iterations: int.

    Returns:
        int32 `(N,)`: which row comes at each place. Equal rows stay in their order.
    """
    rows = ops.convert_to_tensor(rows)
    centered = rows - ops.mean(rows, axis=0)
    places = ops.arange(rows.shape[0], dtype="float32") - (rows.shape[0] - 1) / 2
    farthest = ops.argmax(ops.sum(ops.square(centered), axis=1))
    # A little of the farthest row, in case that the rows do not rise at all.
    axis = ops.matmul(places, centered) + 1e-3 * ops.take(centered, farthest, axis=0)
    for _ in range(num_iterations):
        axis = ops.matmul(ops.matmul(centered, axis), centered)
        axis = axis / ops.maximum(ops.norm(axis), 1e-30)
    return ops.cast(ops.argsort(ops.matmul(centered, axis)), "int32")


def put_at(array, value, index, axis):
    """An array with another value at one index of an axis.

    Args:
        array: tensor of a known size along `axis`.
        value: tensor of the array's shape without `axis`.
        index: int or int tensor `()`. One outside the axis changes nothing.
        axis: int, 0 or more.

    Returns:
        Tensor of the array's shape and dtype.
    """
    here = ops.arange(array.shape[axis]) == index
    here = ops.reshape(here, (-1, *[1] * (len(array.shape) - axis - 1)))
    return ops.where(here, ops.expand_dims(ops.cast(value, array.dtype), axis), array)

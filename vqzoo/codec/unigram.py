"""Grids of codes by how often each code came before, or all codes alike."""

import numpy as np

from vqzoo.codec.decisions import decide, decisions

# The counts change after 16 codes, later after a 16th of those that came so far.
_FIRST_BLOCK, _SHARE, _LARGEST_BLOCK = 16, 16, 2**16
# What the quantizer knows of its codes weighs as much as K / 4 codes of the image.
_START, _EVEN = 0.25, 0.01


def even(layer):
    """Weights `(1, K)` that prefer no code of a quantizer."""
    return np.ones((1, layer.num_embeddings))


def known(layer, counts=None):
    """Weights `(1, K)` by how often each code of a quantizer came.

    Args:
        layer: the quantizer.
        counts: int `(K,)`, of a collection. Defaults to those of its training; one that
            does not keep count prefers no code.
    """
    usage = even(layer)
    if counts is not None and counts.any():
        usage = np.asarray(counts, "float64")[None]
    elif layer.ema_counts is not None:
        usage = np.asarray(layer.ema_counts.value, "float64")[None]
    usage = (1 - _EVEN) * usage / usage.sum() + _EVEN / usage.size
    return _START * usage.size * usage


def write(writer, weights, codes, *, adapts):
    """Writes a grid.

    Args:
        writer: `stream.Writer`.
        weights: float64 `(1, K)`, at the start.
        codes: int32, of any shape.
        adapts: bool, whether each code that was written becomes likelier.
    """
    codes = np.ravel(codes)
    for start, stop in _blocks(len(codes), adapts):
        values, bits = decisions(weights, codes[start:stop])
        writer.put(values.T, bits.T)
        weights = _counted(weights, codes[start:stop], adapts)


def read(reader, weights, shape, *, adapts):
    """Reads what `write` wrote: int32 of a shape.

    A code that the codebook does not have, which no writer wrote, becomes its last.
    """
    count, size = int(np.prod(shape)), weights.shape[-1]
    codes = np.zeros(count, "int32")
    for start, stop in _blocks(count, adapts):
        decided = decide(weights, stop - start, reader.read)
        codes[start:stop] = np.minimum(decided, size - 1)
        weights = _counted(weights, codes[start:stop], adapts)
    return codes.reshape(shape)


def _blocks(count, adapts):
    """Starts and stops of the parts of a grid that are coded with equal weights."""
    start = 0
    while start < count:
        size = max(_FIRST_BLOCK, start // _SHARE) if adapts else _LARGEST_BLOCK
        stop = min(count, start + min(size, _LARGEST_BLOCK))
        yield start, stop
        start = stop


def _counted(weights, codes, adapts):
    if not adapts:
        return weights
    return weights + np.bincount(codes, minlength=weights.shape[-1])

"""Images of any size to grids of codes and back, a window at a time.

The networks are convolutions, which take any size. A window is seen with a margin
around it, so that no seam shows where two meet, and memory stays that of a window.
"""

import numpy as np

from vqzoo.datasets.pixels import to_float
from vqzoo.images import to_uint8

_WINDOW, _MARGIN = 512, 64  # pixels, brought up to the stride of the top codes
_MARGIN_CODES = 4  # the margin is at least so many top codes wide
_PIXELS_AT_ONCE = 2**19


def pad(images, stride):
    """Images `(N, H, W, C)` reflected at the lower right to sides that divide."""
    sides = [(0, -side % stride) for side in images.shape[1:3]]
    return np.pad(images, [(0, 0), *sides, (0, 0)], mode="reflect")


def encode(model, strides, images):
    """Codes of images.

    Args:
        model: a model of vqzoo.models.
        strides: sequence of int, pixels a side of each tier's codes.
        images: uint8 `(N, H, W, C)`, the sides divide by all strides.

    Returns:
        Tuple of int32 numpy `(N, h, w)`, one for each tier.
    """
    count, height, width = images.shape[:3]
    grids = [
        np.zeros((count, height // stride, width // stride), "int32")
        for stride in strides
    ]
    for rows, columns, batch in _windows(images.shape, max(strides)):
        seen = to_float(images[batch, rows.seen(), columns.seen()])
        for grid, stride, codes in zip(grids, strides, model.encode(seen)):
            inner = np.asarray(codes)[:, rows.inner(stride), columns.inner(stride)]
            grid[batch, rows.core(stride), columns.core(stride)] = inner
    return tuple(grids)


def decode(model, strides, grids):
    """Images of codes, uint8 `(N, H, W, C)`.

    Args:
        model: a model of vqzoo.models.
        strides: sequence of int, pixels a side of each tier's codes.
        grids: sequence of int32 `(N, h, w)`; None for a tier without codes.
    """
    known, stride = next(
        (grid, stride) for grid, stride in zip(grids, strides) if grid is not None
    )
    count, height, width = known.shape
    shape = (count, height * stride, width * stride, model.image_shape[2])
    images = np.zeros(shape, "uint8")
    for rows, columns, batch in _windows(shape, max(strides)):
        codes = [
            None if grid is None else grid[batch, rows.seen(side), columns.seen(side)]
            for grid, side in zip(grids, strides)
        ]
        inner = np.asarray(model.decode(codes))[:, rows.inner(), columns.inner()]
        images[batch, rows.core(), columns.core()] = to_uint8(inner)
    return images


class _Span:
    """A side of a window: its core, and the pixels that are seen with it."""

    def __init__(self, start, stop, first, last):
        self._core, self._seen = (start, stop), (first, last)

    def core(self, stride=1):
        return slice(*(side // stride for side in self._core))

    def seen(self, stride=1):
        return slice(*(side // stride for side in self._seen))

    def inner(self, stride=1):
        """The core within what is seen."""
        return slice(*((side - self._seen[0]) // stride for side in self._core))


def _windows(shape, stride):
    """Rows, columns and images that are taken together."""
    count, height, width = shape[:3]
    for rows in _spans(height, stride):
        for columns in _spans(width, stride):
            sides = (rows.seen(), columns.seen())
            pixels = np.prod([side.stop - side.start for side in sides])
            step = max(1, _PIXELS_AT_ONCE // int(pixels))
            for start in range(0, count, step):
                yield rows, columns, slice(start, start + step)


def _spans(side, stride):
    margin = max(_MARGIN, _MARGIN_CODES * stride)
    window, margin = (-(-size // stride) * stride for size in (_WINDOW, margin))
    if side <= window + 2 * margin:
        return [_Span(0, side, 0, side)]
    return [
        _Span(start, min(side, start + window), max(0, start - margin), last)
        for start in range(0, side, window)
        for last in [min(side, start + window + margin)]
    ]

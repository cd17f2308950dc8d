"""How the codes of an image of any size stand: in windows of a grid, or in tiles."""

import numpy as np

from vqzoo.codec import images
from vqzoo.datasets.pixels import to_float
from vqzoo.images import to_uint8
from vqzoo.models.tiers import grid_shapes


def layout_of(model):
    """The layout of a model's codes: `Windows`, or `Tiles` of codes in no grid."""
    if set(model.layouts) == {"grid"}:
        return Windows(model)
    return Tiles(model)


class Windows:
    """Codes of grids, each for its place: the network takes any size.

    Args:
        model: a model of vqzoo.models.
    """

    def __init__(self, model):
        side = model.image_shape[0]
        self._model = model
        self._strides = tuple(side // grid[0] for grid in grid_shapes(model))

    def shapes(self, height, width):
        """Shapes of the codes of an image, a list of `(h, w)` of each tier."""
        stride = max(self._strides)
        sides = [-(-side // stride) * stride for side in (height, width)]
        return [tuple(s // stride for s in sides) for stride in self._strides]

    def encode(self, pictures):
        """Codes of uint8 `(N, H, W, C)`: a tuple of int32 `(N, h, w)`."""
        padded = images.pad(pictures, max(self._strides))
        return images.encode(self._model, self._strides, padded)

    def decode(self, grids):
        """Images of codes, uint8: as in `images.decode`."""
        return images.decode(self._model, self._strides, grids)


class Tiles:
    """Codes of sequences: an image is tiles of the model's size, each with its codes.

    Args:
        model: a model of vqzoo.models.
    """

    def __init__(self, model):
        self._model = model
        self._size = tuple(model.image_shape[:2])
        self._grids = grid_shapes(model)

    def _counts(self, height, width):
        return tuple(-(-s // size) for s, size in zip((height, width), self._size))

    def shapes(self, height, width):
        """Shapes of the codes of an image, a list of `(h, w)` of each tier."""
        counts = self._counts(height, width)
        return [tuple(np.multiply(counts, grid).tolist()) for grid in self._grids]

    def encode(self, pictures):
        """Codes of uint8 `(N, H, W, C)`: a tuple of int32 `(N, h, w)`."""
        counts = self._counts(*pictures.shape[1:3])
        missing = np.multiply(counts, self._size) - pictures.shape[1:3]
        sides = [(0, int(side)) for side in missing]
        padded = np.pad(pictures, [(0, 0), *sides, (0, 0)], mode="reflect")
        codes = self._model.encode(to_float(_apart(padded, counts)))
        return tuple(_together(np.asarray(grid), counts) for grid in codes)

    def decode(self, grids):
        """Images of codes, uint8 `(N, H, W, C)`."""
        counts = tuple(np.floor_divide(grids[0].shape[1:], self._grids[0]).tolist())
        codes = [_apart(grid, counts) for grid in grids]
        return _together(to_uint8(np.asarray(self._model.decode(codes))), counts)


def _apart(arrays, counts):
    """Tiles `(N * rows * columns, h, w, ...)` of `(N, rows * h, columns * w, ...)`."""
    (rows, columns), (height, width, *rest) = counts, arrays.shape[1:]
    tiles = arrays.reshape(-1, rows, height // rows, columns, width // columns, *rest)
    return tiles.swapaxes(2, 3).reshape(-1, height // rows, width // columns, *rest)


def _together(tiles, counts):
    """What `_apart` made the tiles of."""
    (rows, columns), (height, width, *rest) = counts, tiles.shape[1:]
    apart = tiles.reshape(-1, rows, columns, height, width, *rest).swapaxes(2, 3)
    return apart.reshape(-1, rows * height, columns * width, *rest)

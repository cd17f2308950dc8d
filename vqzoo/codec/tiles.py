"""Grids of any size cut into tiles of the size that a prior knows.

The last tiles of a row or column may stick out of the grid. Places outside hold the
code of the nearest position inside the same tile, which is no information: they are
neither written nor read.
"""

from typing import NamedTuple

import numpy as np


def counts(grid_shape, tile_shape):
    """Rows and columns of tiles that cover a grid."""
    return tuple(-(-side // tile) for side, tile in zip(grid_shape, tile_shape))


def cut(grid, tile_shape):
    """Tiles `(count, h, w)` of a grid `(height, width)`, row by row."""
    (rows, columns), (height, width) = counts(grid.shape, tile_shape), tile_shape
    missing = (rows * height - grid.shape[0], columns * width - grid.shape[1])
    padded = np.pad(grid, [(0, side) for side in missing], mode="edge")
    apart = padded.reshape(rows, height, columns, width).swapaxes(1, 2)
    return apart.reshape(-1, height, width)


def join(tiles, grid_shape):
    """The grid of which `cut` made the tiles."""
    rows, columns = counts(grid_shape, tiles.shape[1:])
    together = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    height, width = tiles.shape[1:]
    grid = together.reshape(rows * height, columns * width)
    return grid[: grid_shape[0], : grid_shape[1]]


def insides(grid_shape, tile_shape):
    """Which positions of each tile lie in the grid: bool `(count, h, w)`."""
    rows, columns = (
        np.arange(number * tile) < side
        for number, tile, side in zip(
            counts(grid_shape, tile_shape), tile_shape, grid_shape
        )
    )
    return cut(rows[:, None] & columns, tile_shape)


class Part(NamedTuple):
    """Tiles of one image: which of the image, and which rows of the batch they are."""

    image: int
    tiles: slice
    rows: slice


def batches(tile_counts, limit):
    """Tiles of several images that are coded at once, at most `limit` of them.

    An image's tiles come in chunks of `limit`, the last with the rest; how they are
    put together with other images' leaves its own stream as it is.

    Args:
        tile_counts: sequence of int, of each image.
        limit: int.

    Returns:
        list of lists of `Part`.
    """
    parts, used = [], limit
    for image, count in enumerate(tile_counts):
        for start in range(0, count, limit):
            size = min(limit, count - start)
            if used + size > limit:
                parts.append([])
                used = 0
            part = Part(image, slice(start, start + size), slice(used, used + size))
            parts[-1].append(part)
            used += size
    return parts

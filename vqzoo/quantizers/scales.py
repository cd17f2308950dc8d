"""Grids from coarse to fine, and resampling between them."""

import functools
import itertools
import math

import numpy as np
from keras import ops

from vqzoo.arguments import check_positive_ints

_CUBIC = -0.75  # the coefficient of PyTorch's bicubic interpolation


class Scales:
    """Grids from coarse to fine whose positions form one sequence.

    Args:
        grids: sequence of sides, ints of squares or `(height, width)`; none is smaller
            than the one before.
    Attributes:
        grids: tuple of `(height, width)`.
        ends: tuple of int, where each grid ends in the sequence.
    Raises: ValueError: if there is no grid, or one is smaller than the one before.
    """

    def __init__(self, grids):
        self.grids = tuple(
            tuple(grid) if np.ndim(grid) else (grid, grid) for grid in grids or ()
        )
        for grid in self.grids:
            check_positive_ints(**{f"grids of {grids}": min(grid)})
        pairs = itertools.pairwise(self.grids)
        if not self.grids or any(a > b for p in pairs for a, b in zip(*p)):
            raise ValueError(
                "expected grids from coarse to fine, such as grids=(1, 2, 4, 8), "
                f"received grids={grids}"
            )
        self.ends = tuple(itertools.accumulate(map(math.prod, self.grids)))

    @property
    def full(self):
        """`(height, width)` of the last grid."""
        return self.grids[-1]

    @property
    def parts(self):
        """A slice of the sequence for each grid."""
        return [slice(*pair) for pair in itertools.pairwise((0, *self.ends))]

    def down(self, features, index):
        """Means of features `(batch, *full, C)` over the cells of a grid."""
        return _resampled(features, self.grids[index], area_matrix)

    def counted_means(self, features, mask, index):
        """Means over the positions of each cell that count, and which cells have any.

        Args:
            features: float `(batch, *full, C)`.
            mask: bool `(batch, *full)`, the positions that count, or None for all.
            index: int, of the grid.

        Returns:
            Float `(batch, *grid, C)`, and bool `(batch, *grid)`; or None for all.
        """
        if mask is None:
            return self.down(features, index), None
        features = ops.where(mask[..., None], features, 0.0)
        shares = self.down(ops.cast(mask, features.dtype)[..., None], index)
        means = self.down(features, index) / ops.where(shares > 0, shares, 1.0)
        return means, shares[..., 0] > 0

    def at_places(self, values, index):
        """Values `(batch, *grid)` of the cell of each position: `(batch, *full)`."""
        for axis, (side, full) in enumerate(zip(self.grids[index], self.full), start=1):
            values = ops.take(values, np.arange(full) * side // full, axis=axis)
        return values

    def up(self, features):
        """Features `(batch, *grid, C)` on the last grid, by bicubic interpolation."""
        return _resampled(features, self.full, cubic_matrix)

    def rows_and_columns(self):
        """Coordinates of all positions on the last grid: two float `(L,)`."""
        rows, columns = zip(
            *(
                np.meshgrid(
                    *(
                        (np.arange(side) + 0.5) * full / side - 0.5
                        for side, full in zip(grid, self.full)
                    ),
                    indexing="ij",
                )
                for grid in self.grids
            )
        )
        return tuple(np.concatenate([a.ravel() for a in x]) for x in (rows, columns))

    def sums_before(self):
        """Weights of the sum of all coarser grids at each position: float32 `(L, L)`.

        Row i weighs the positions of the coarser grids: each grid is brought to the
        last one, and their sum to position i of its own grid.
        """
        full = self.full
        ups, downs = (
            [_both(make, *pair) for pair in pairs]
            for make, pairs in (
                (cubic_matrix, [(grid, full) for grid in self.grids]),
                (area_matrix, [(full, grid) for grid in self.grids]),
            )
        )
        matrix = np.zeros((self.ends[-1], self.ends[-1]), "float32")
        for to, part in enumerate(self.parts):
            for of in range(to):
                matrix[part, self.parts[of]] = downs[to] @ ups[of]
        return matrix


def halves(grid):
    """A grid and halves of it, rounded up, from 1 x 1: a tuple of `(height, width)`."""
    grids = [tuple(grid)]
    while max(grids[0]) > 1:
        grids.insert(0, tuple(-(-side // 2) for side in grids[0]))
    return tuple(grids)


@functools.cache
def area_matrix(old, new):
    """Means of the `old` cells that each of `new` cells covers: `(new, old)`."""
    matrix = np.zeros((new, old), "float32")
    for row in range(new):
        covered = slice(row * old // new, -(-(row + 1) * old // new))
        matrix[row, covered] = 1 / (covered.stop - covered.start)
    return matrix


@functools.cache
def cubic_matrix(old, new):
    """Cubic interpolation between centers of cells, ends repeated: `(new, old)`."""
    matrix = np.zeros((new, old), "float64")
    if old == new:
        return np.eye(old, dtype="float32")
    for row in range(new):
        center = (row + 0.5) * old / new - 0.5
        first = math.floor(center)
        for place in range(first - 1, first + 3):
            distance = abs(center - place)
            matrix[row, min(max(place, 0), old - 1)] += _cubic(distance)
    return matrix.astype("float32")


def _cubic(x, a=_CUBIC):
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _both(make, old, new):
    return np.kron(*(make(*sides) for sides in zip(old, new)))


def _resampled(features, new, make):
    old = features.shape[1:3]
    if tuple(old) == tuple(new):
        return features
    rows, columns = (
        ops.convert_to_tensor(make(*sides), features.dtype) for sides in zip(old, new)
    )
    features = ops.einsum("ij,bjwc->biwc", rows, features)
    return ops.einsum("ij,bhjc->bhic", columns, features)

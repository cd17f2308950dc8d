"""The start of a codebook on a large sample: k-means++ and Lloyd's iterations."""

import numpy as np
from keras import ops

from vqzoo.images import to_numpy
from vqzoo.ops import code_statistics, main_axis_order, nearest_code

# Rows for each center: more change the centers by less than another seed does.
_ROWS_PER_CENTER, _SEEDS_PER_CENTER = 256, 16
_NUM_ITERATIONS = 25
_TOLERANCE = 1e-4  # of the mean squared step of the centers to the variance


def cluster(rows, num_centers, seed=0):
    """Means of clusters of rows, in their order along the main axis.

    A sample of 256 rows for each center is clustered; a center that has no row is
    placed beside that which has most.

    Args:
        rows: float `(N, D)`; those that are not finite are left out.
        num_centers: int, K.
        seed: int.

    Returns:
        `(centers, shares)`: float32 numpy `(K, D)`, and `(K,)`, how many rows each has
        over the mean.

    Raises:
        ValueError: if there are fewer rows than centers.

    Source: Arthur and Vassilvitskii 2007 (k-means++). Differs: it draws the first
        centers from 16 rows for each.
    """
    rows = to_numpy(rows).astype("float32")
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < num_centers:
        raise ValueError(
            f"expected at least {num_centers} latents, as many as there are codes, "
            f"received {len(rows)}"
        )
    generator = np.random.default_rng(seed)
    most = min(len(rows), _ROWS_PER_CENTER * num_centers)
    rows = rows[generator.choice(len(rows), most, replace=False)]
    center = rows.mean(axis=0)
    rows = rows - center
    centers = _spread(rows[: _SEEDS_PER_CENTER * num_centers], num_centers, generator)
    tensor, least = ops.convert_to_tensor(rows), _TOLERANCE * rows.var()
    for _ in range(_NUM_ITERATIONS):
        codes = nearest_code(tensor, ops.convert_to_tensor(centers))
        statistics = code_statistics(tensor, codes, num_centers)
        counts, sums = (to_numpy(each) for each in statistics)
        means = sums / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        full = np.argsort(-counts)[: len(empty)]
        noise = generator.normal(size=(len(empty), len(center)))
        means[empty] = means[full] + 1e-3 * rows.std() * noise
        step, centers = np.square(means - centers).mean(), means.astype("float32")
        if step < least and not len(empty):
            break
    order = to_numpy(main_axis_order(ops.convert_to_tensor(centers)))
    shares = np.maximum(counts, 1) / counts.mean()
    return centers[order] + center, shares[order].astype("float32")


def _spread(rows, num_centers, generator):
    """Rows drawn by their squared distance to those drawn before."""
    chosen = [int(generator.integers(len(rows)))]
    squares = np.square(rows).sum(axis=1)
    nearest = np.full(len(rows), np.inf)
    while len(chosen) < num_centers:
        last = chosen[-1]
        distances = squares - 2 * rows @ rows[last] + squares[last]
        nearest = np.minimum(nearest, np.maximum(distances, 0))
        sums = np.cumsum(nearest, dtype="float64")
        # Where all rows are centers already any will do.
        drawn = generator.random() * (sums[-1] or 1)
        chosen.append(min(int(np.searchsorted(sums, drawn)), len(rows) - 1))
    return rows[chosen]

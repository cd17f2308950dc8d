"""How far two sets of vectors are from each other, and how spread one is."""

import numpy as np

_DIRECTIONS_AT_ONCE = 64  # projections of all vectors that are held in memory


def sliced_wasserstein(first, second, num_directions=256, seed=0):
    """Mean Wasserstein distance of two sets along random directions.

    Args:
        first: float `(N, D)`.
        second: float `(M, D)`; sets of unlike sizes are compared by their quantiles.
        num_directions: int.
        seed: int, of the directions.

    Returns:
        float, in the units of the vectors; 0 for equal sets.

    Raises:
        ValueError: if a set is empty or the lengths of the vectors differ.

    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture
        mixing; for images: Karras et al. 2018, arXiv 1710.10196, section 5.
    """
    if not len(first) or not len(second) or first.shape[1] != second.shape[1]:
        raise ValueError(
            "expected two sets of vectors of one length, received shapes "
            f"{first.shape} and {second.shape}"
        )
    directions = np.random.default_rng(seed).normal(
        size=(first.shape[1], num_directions)
    )
    directions /= np.linalg.norm(directions, axis=0)
    dtype = np.result_type(first, second, np.float32)
    total = 0.0
    for start in range(0, num_directions, _DIRECTIONS_AT_ONCE):
        some = directions[:, start : start + _DIRECTIONS_AT_ONCE].astype(dtype)
        total += np.abs(np.subtract(*_in_order(first @ some, second @ some))).sum()
    return float(total / num_directions / min(len(first), len(second)))


def _in_order(first, second):
    """Sorted columns of two matrices; of unlike sizes, quantiles of both."""
    if len(first) == len(second):
        return np.sort(first, axis=0), np.sort(second, axis=0)
    count = min(len(first), len(second))
    levels = (np.arange(count) + 0.5) / count
    return tuple(np.quantile(each, levels, axis=0) for each in (first, second))


def diversity(samples, num_pairs=2000, seed=0):
    """Mean distance of random pairs of samples: 0 when all are equal.

    Args:
        samples: float `(N, ...)`, N of at least 2.
        num_pairs: int.
        seed: int, of the pairs.

    Returns:
        float, in the units of the samples.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"expected at least two samples, received {len(samples)}")
    generator = np.random.default_rng(seed)
    flat = np.reshape(samples, (len(samples), -1))
    left = generator.integers(len(flat), size=num_pairs)
    right = (left + generator.integers(1, len(flat), size=num_pairs)) % len(flat)
    return float(np.linalg.norm(flat[left] - flat[right], axis=1).mean())

"""How far two sets of vectors are from each other, and how spread one is."""

import numpy as np


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
    levels = (np.arange(min(len(first), len(second))) + 0.5) / min(
        len(first), len(second)
    )
    first, second = (
        np.quantile(each @ directions, levels, axis=0) for each in (first, second)
    )
    return float(np.abs(first - second).mean())


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

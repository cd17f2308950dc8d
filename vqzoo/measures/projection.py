"""Latents as points of a plane: main axes and t-SNE."""

import numpy as np


def main_axes(features, count=2):
    """Features on their axes of most variance.

    Args:
        features: float `(N, D)` or scipy sparse, N of at least 2.
        count: int; there are no more axes than N or D.

    Returns:
        `(points, shares)`: float `(N, count)`, zeros for axes that do not exist, and
        the share of the variance along each; shares of 0 where all features are equal.

    Raises:
        ValueError: if there are fewer than two rows.
    """
    from sklearn.decomposition import PCA

    features = np.reshape(np.asarray(features, "float32"), (len(features), -1))
    if len(features) < 2:
        raise ValueError(f"expected at least two rows, received {len(features)}")
    possible = min(count, *features.shape)
    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), count), "float32"), np.zeros(count)
    found = PCA(possible, random_state=0)
    points = found.fit_transform(features)
    missing = count - possible
    shares = np.pad(found.explained_variance_ratio_, (0, missing))
    return np.pad(points, ((0, 0), (0, missing))), shares


def neighborhood_map(features, perplexity=30.0, seed=0):
    """Places in a plane that keep neighbors beside each other: t-SNE.

    Args:
        features: float `(N, D)`; brought to their 50 main axes first.
        perplexity: float, about how many neighbors count; less where N is small.
        seed: int.

    Returns:
        Float32 `(N, 2)`. Distances between groups, and their sizes, mean nothing.

    Raises:
        ValueError: if there are fewer than 5 rows.

    Source: van der Maaten and Hinton 2008, Visualizing data using t-SNE, in
        scikit-learn.
    """
    from sklearn.manifold import TSNE

    if len(features) < 5:
        raise ValueError(f"expected at least 5 rows, received {len(features)}")
    points, _ = main_axes(
        features, min(50, *np.reshape(features, (len(features), -1)).shape)
    )
    perplexity = min(perplexity, (len(features) - 1) / 3)
    start = "pca" if np.ptp(points, axis=0).any() else "random"
    return TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(
        points
    )

"""How alike two sets of images are, by the features of a network.

A Frechet distance depends on the network as much as on the images, and on how many
there are. It is called by the name of its network, `FD-<name>`, never FID, and stands
beside its floor: the distance of two sets of real images of the same sizes.
"""

import numpy as np


def frechet_distance(first, second):
    """Frechet distance of the Gaussians of two sets of features.

    Args:
        first: float `(N, D)`, N of at least 2.
        second: float `(M, D)`, M of at least 2.

    Returns:
        float, in squared units of the features; 0 for equal means and covariances.

    Raises:
        ValueError: if a set has fewer than 2 vectors or the lengths differ.

    Source: Heusel et al. 2017, arXiv 1706.08500, equation 6. Differs: the trace of the
        root of the product is taken from symmetric matrices, which is exact and stays
        real where features are constant or fewer than their length.
    """
    first, second = (np.asarray(each, "float64") for each in (first, second))
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            "expected two sets of at least two vectors of one length, received shapes "
            f"{first.shape} and {second.shape}"
        )
    means = [each.mean(axis=0) for each in (first, second)]
    covariances = [
        np.cov(each, rowvar=False).reshape(each.shape[1], -1)
        for each in (first, second)
    ]
    values, axes = np.linalg.eigh(covariances[0])
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    of_product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    cross = np.sum(np.sqrt(np.maximum(of_product, 0)))
    distance = np.sum((means[0] - means[1]) ** 2)
    distance += np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross
    return float(max(distance, 0.0))


def precision_recall(real, generated, neighbors=3):
    """Share of generated features among real ones, and of real among generated ones.

    A vector is among others if it is no further from one of them than that one's k-th
    neighbor.

    Args:
        real: float `(N, D)`.
        generated: float `(M, D)`.
        neighbors: int, k; both sets have more vectors.

    Returns:
        dict: `precision` and `recall`, each in [0, 1].

    Raises:
        ValueError: if a set has too few vectors.

    Source: Kynkaanniemi et al. 2019, arXiv 1904.06991, equations 1 to 3.
    """
    if min(len(real), len(generated)) <= neighbors:
        raise ValueError(
            f"expected more than {neighbors} vectors in each set, received "
            f"{len(real)} and {len(generated)}"
        )
    return {
        "precision": _share_within(generated, real, neighbors),
        "recall": _share_within(real, generated, neighbors),
    }


def _share_within(queries, known, neighbors):
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    known, queries = (np.asarray(each, "float32") for each in (known, queries))
    search = NearestNeighbors(n_neighbors=neighbors, algorithm="brute").fit(known)
    radii = search.kneighbors()[0][:, -1]  # a vector is no neighbor of its own
    inside = [
        (distances <= radii).any(axis=1)
        for distances in pairwise_distances_chunked(queries, known)
    ]
    return float(np.concatenate(inside).mean())

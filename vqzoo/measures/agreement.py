"""Whether measures agree: rank correlations over models."""

import numpy as np


def rank_correlations(rows):
    """Spearman's rank correlation of every pair of measures over models.

    Args:
        rows: list of dicts from a measure's name to a float, a dict for each model, all
            with the same names; 3 models or more.

    Returns:
        `(names, matrix)`: list of str, and float `(M, M)` in [-1, 1] with ones on the
        diagonal. A measure that is the same for all models ranks none: 0.

    Raises:
        ValueError: if there are fewer than 3 models, or their measures differ.

    Source: Locatello et al. 2019, arXiv 1811.12359, figure 2.
    """
    from scipy.stats import rankdata

    names = list(rows[0]) if rows else []
    if len(rows) < 3 or any(list(row) != names for row in rows):
        raise ValueError(
            "expected the same measures of at least 3 models, received "
            f"{[list(row) for row in rows]}"
        )
    ranks = np.array([rankdata([row[name] for row in rows]) for name in names])
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1)
    scale = np.outer(lengths, lengths)
    matrix = np.where(scale > 0, ranks @ ranks.T / np.where(scale > 0, scale, 1), 0.0)
    np.fill_diagonal(matrix, 1.0)
    return names, matrix

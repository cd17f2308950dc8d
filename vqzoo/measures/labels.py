"""Which classes have enough images to be learned and tested."""

import numpy as np


def check_labels(labels, num_folds):
    """ValueError unless there are two classes with as many members as folds."""
    _, counts = np.unique(labels, return_counts=True)
    if np.sum(counts >= num_folds) < 2:
        raise ValueError(
            f"expected at least 2 classes with {num_folds} members or more, received "
            f"class counts {counts.tolist()}"
        )


def large_classes(labels, num_folds):
    """The rows of the classes with as many members as folds.

    Args:
        labels: int `(N,)`.
        num_folds: int.

    Returns:
        `(rows, left_out)`: int array, and a sentence on the classes that are too small,
        empty where there are none.

    Raises:
        ValueError: if fewer than two classes are large enough.
    """
    check_labels(labels, num_folds)
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[places] >= num_folds)
    small = int(np.sum(counts < num_folds))
    if not small:
        return rows, ""
    return rows, (
        f"Left out: {small} of {len(counts)} classes, with "
        f"{len(places) - len(rows)} of {len(places)} images, as there are {num_folds} "
        "folds and fewer images of each of these classes."
    )

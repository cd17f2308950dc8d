"""Which known vectors are nearest to others, and what that says of samples."""

import numpy as np

BLOCK = 1024  # queries whose distances to all known vectors are held at once


def nearest(queries, known):
    """Distance to the nearest known vector, and which one it is.

    Args:
        queries: float `(N, ...)`, flattened.
        known: float `(M, ...)`, flattened, M of at least 1.

    Returns:
        `(distances, indices)`: float64 `(N,)`, Euclidean, and int64 `(N,)`.

    Raises:
        ValueError: if a set is empty or the lengths of the vectors differ.
    """
    queries, known = np.asarray(queries), np.asarray(known)
    if not len(queries) or not len(known) or queries.shape[1:] != known.shape[1:]:
        raise ValueError(
            "expected two sets of vectors of one length, received shapes "
            f"{queries.shape} and {known.shape}"
        )
    center = known.mean(axis=0, dtype="float64")  # near 0, squares keep their digits
    queries, known = (
        (each - center).reshape(len(each), -1).astype("float32")
        for each in (queries, known)
    )
    squares = np.sum(known**2, axis=1)
    indices = np.concatenate(
        [
            np.argmin(squares - 2 * queries[start : start + BLOCK] @ known.T, axis=1)
            for start in range(0, len(queries), BLOCK)
        ]
    )
    # The difference of large squares has lost what is small; this has not.
    apart = queries.astype("float64") - known[indices]
    return np.sqrt(np.sum(apart**2, axis=1)), indices


def memorization(samples, train, held_out):
    """How much nearer samples are to training data than held-out data is.

    Args:
        samples: float `(N, ...)`, vectors or images.
        train: float `(M, ...)`, of the data that the prior has seen.
        held_out: float `(L, ...)`, of real data that it has not seen.

    Returns:
        dict: `samples`, the median distance of a sample to its nearest training vector;
        `held_out`, that of a held-out vector; and `ratio`, the one over the other: near
        0 for copies, about 1 for samples that are as new as held-out data.

    Raises:
        ValueError: if a set is empty, or held-out and training data are the same.

    Source: van den Burg and Williams 2021, arXiv 2106.03216, compares such distances;
        the ratio of medians is ours.
    """
    of_samples = float(np.median(nearest(samples, train)[0]))
    of_held_out = float(np.median(nearest(held_out, train)[0]))
    if of_held_out == 0:
        raise ValueError(
            "expected held-out data that differs from the training data, received "
            "data whose median distance to it is 0"
        )
    return {
        "samples": of_samples,
        "held_out": of_held_out,
        "ratio": of_samples / of_held_out,
    }

"""Codes as vectors of numbers, for classifiers and for measures of disentanglement.

A grid of codes is no vector, and how it is made one decides what is measured. The name
of the representation therefore stands beside each number.
"""

import numpy as np

from vqzoo.registry import lazily

arguments = lazily("vqzoo.arguments")
ops = lazily("vqzoo.ops")

REPRESENTATIONS = (
    "indices",
    "sorted_indices",
    "one_hot",
    "vectors",
    "histogram",
    "mean_vector",
)
AXES_SHARE = 0.99  # of the codebook's variance


def represent(codes, representation, *, num_embeddings=None, codebook=None):
    """Codes of one tier as a matrix with a row for each image.

    Args:
        codes: int `(N, h, w)` in [0, K).
        representation: `"indices"` (the h * w numbers), `"sorted_indices"` (positions
            of the codes along the main axis of their codebook), `"one_hot"` (h * w * K
            zeros and ones, sparse), `"vectors"` (the h * w code vectors), `"histogram"`
            (the share of each of the K codes) or `"mean_vector"` (the mean code
            vector).
        num_embeddings: int, K; for `"one_hot"` and `"histogram"`.
        codebook: float `(K, D)`; for `"sorted_indices"`, `"vectors"` and
            `"mean_vector"`.

    Returns:
        Float32 `(N, F)`; of `"one_hot"` a scipy sparse matrix; of indices int64.

    Raises:
        ValueError: if the representation is unknown or what it needs is missing.
    """
    flat = np.reshape(codes, (len(codes), -1)).astype("int64")
    arguments.check_one_of(REPRESENTATIONS, representation=representation)
    needed, given = "codebook", codebook
    if representation in ("one_hot", "histogram"):
        needed, given = "num_embeddings", num_embeddings
    if given is None and representation != "indices":
        raise ValueError(
            f"expected {needed} for {representation=}, received {needed}=None"
        )
    if representation == "indices":
        return flat
    if representation == "sorted_indices":
        return np.argsort(ops.main_axis_order(np.asarray(codebook, "float32")))[flat]
    if representation == "one_hot":
        return _one_hot(flat, num_embeddings)
    if representation == "histogram":
        return histogram(flat, num_embeddings)
    if representation == "mean_vector":
        return histogram(flat, len(codebook)) @ np.asarray(codebook, "float32")
    return np.asarray(codebook, "float32")[flat].reshape(len(flat), -1)


def histogram(flat, num_embeddings):
    """Share of each code in each row of int `(N, P)`: float32 `(N, K)`."""
    count, places = flat.shape
    cells = flat + num_embeddings * np.arange(count)[:, None]
    table = np.bincount(cells.ravel(), minlength=count * num_embeddings)
    return (table.reshape(count, num_embeddings) / places).astype("float32")


def _one_hot(flat, num_embeddings):
    from sklearn.preprocessing import OneHotEncoder

    categories = [np.arange(num_embeddings)] * flat.shape[1]
    return OneHotEncoder(categories=categories, dtype="float32").fit_transform(flat)


def on_main_axes(codebook, share=AXES_SHARE):
    """A codebook turned to its main axes, as few as hold a share of its variance.

    Distances of codes stay as they are but for the share that is left out.

    Args:
        codebook: float `(K, D)`.
        share: float in (0, 1].

    Returns:
        Float32 `(K, d)`, d of at least 1 and at most D.
    """
    codebook = np.asarray(codebook, "float64")
    centered = codebook - codebook.mean(axis=0)
    left, scales, _ = np.linalg.svd(centered, full_matrices=False)
    variance = np.sum(scales**2)
    held = np.cumsum(scales**2) / variance if variance > 0 else np.ones(1)
    # Less a little: a sum that rounding leaves below the share is no axis more.
    count = min(int(np.searchsorted(held, share - 1e-12)) + 1, len(scales))
    return (left[:, :count] * scales[:count]).astype("float32")


def as_matrix(features, count):
    """Features as a matrix of `count` rows, float32; a sparse one as it is."""
    from scipy import sparse

    if sparse.issparse(features):
        return features.tocsr()
    return np.asarray(features, "float32").reshape(count, -1)

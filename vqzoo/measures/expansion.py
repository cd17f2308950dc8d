"""How large a latent space is, and how it grows in training."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.training import curves

ORDER = 15.5
TITLE = "Size of the latent space"
TEXT = (
    "Log volume is the mean logarithm of the standard deviations along the main "
    "axes (half the log-determinant of the covariance over its rank). It is "
    "measured for encoder outputs and for the codebook, on validation images, "
    "from the first epoch to the last."
)
KINDS = ("latent", "codebook")


def size_of(vectors):
    """Log volume and mean length of vectors.

    Args:
        vectors: float `(..., D)`.

    Returns:
        dict: `log_volume`, half the log-determinant of the covariance over its rank, of
        min(N - 1, D) axes; one that is flat counts a millionth of the widest. Vectors
        twice as long have log(2) more. And `norm`, the mean length.

    Raises:
        ValueError: if there are fewer than two vectors.

    Source: Coppock's thesis, section 4.9.1, speaks of the volume; the number is ours.
    """
    rows = np.asarray(vectors, "float64")
    rows = rows.reshape(-1, rows.shape[-1])
    if len(rows) < 2:
        raise ValueError(f"expected two vectors or more, received {len(rows)}")
    squares = np.linalg.eigvalsh(np.atleast_2d(np.cov(rows.T, bias=True)))[::-1]
    widths = np.sqrt(np.maximum(squares[: len(rows) - 1], 0.0))
    least = max(1e-6 * widths[0], np.finfo("float32").tiny)
    return {
        "log_volume": float(np.log(np.maximum(widths, least)).mean()),
        "norm": float(np.linalg.norm(rows, axis=1).mean()),
    }


def sizes(layer, latents):
    """Sizes of the latents of a quantizer and of its first codebook: a flat dict."""
    vectors = {"latent": latents}
    if layer.num_embeddings > 1:
        vectors["codebook"] = layer.codebooks[0]
    return {
        f"{kind}_{name}": value
        for kind in vectors
        for name, value in size_of(vectors[kind]).items()
    }


@registry.named("expansion")
def measure(subject, section):
    """Sizes at the end, and how much larger than after the first epoch."""
    subject.need_codes()
    if len(subject.history) < 2:
        raise Skipped(
            "there is no history.csv with two or more epochs beside the model"
        )
    rows = []
    for tier in subject.tiers:
        for kind in KINDS:
            names = {f"val_{tier.name}_{kind}_{n}": n for n in ("log_volume", "norm")}
            found = {n: v for n, (_, v) in curves(subject.history, names).items()}
            if len(found) < 2:
                section.skipped[f"{tier.name} {kind}"] = "history.csv lacks its sizes"
                continue
            ends = {n: values[-1] for n, values in found.items()}
            growth = found["log_volume"][-1] - found["log_volume"][0]
            section.add({**ends, "expansion": growth}, f"{tier.name}_{kind}_")
            rows.append((f"{tier.name} {kind}", *ends.values(), growth))
    header = ("vectors", "log volume", "mean length", "more than after an epoch")
    section.table("Size of the latent space", header, rows)
    names = {
        f"val_{tier.name}_{kind}_log_volume": f"{tier.name} {kind}"
        for tier in subject.tiers
        for kind in KINDS
    }
    if lines := curves(subject.history, names):
        text = "A flat curve means that the latent space keeps its size."
        section.picture(
            "Log volume over training",
            text,
            lambda: plots.curves(lines, "epoch", "log volume"),
        )

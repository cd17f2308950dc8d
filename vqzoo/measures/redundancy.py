"""How much of a codebook's space, and of a grid of codes, says something new."""

import numpy as np

from vqzoo import registry
from vqzoo.measures.codebook import code_maps
from vqzoo.measures.findings import Skipped

ORDER = 3.5
TITLE = "Redundancy of the codes"
TEXT = (
    "Effective rank is the number of directions in which code vectors spread, "
    "counted as if equally wide. If it is far below their length, the codebook "
    "has collapsed to a few directions. Information of neighbors is how many "
    "bits a code tells about the code to its right and about the code below: 0 "
    "if a prior has nothing to learn from neighbors, and at most the entropy of "
    "the codes, if a neighbor tells everything."
)
LARGEST = 2**18  # codes whose singular values are taken


def effective_rank(vectors):
    """In how many directions vectors spread: exp of the entropy of singular values.

    Args:
        vectors: float `(N, D)`, N of at least 1.

    Returns:
        float: 1 along a line, the less of N - 1 and D at most; 0 for equal vectors.

    Source: Roy and Vetterli 2007, The effective rank: a measure of effective
        dimensionality, section 2. Differs: the mean is taken off first, as a place
        that all vectors share is no direction in which they spread.
    """
    centered = np.asarray(vectors, "float64")
    centered = centered - centered.mean(axis=0)
    values = np.linalg.svd(centered, compute_uv=False)
    # Of equal vectors rounding leaves a little, in no direction of theirs.
    values = values[values > 1e-7 * max(np.abs(vectors).max(), 1e-30)]
    if not len(values):
        return 0.0
    shares = values / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def neighbor_information(codes):
    """Mutual information of neighboring codes, in bits.

    Args:
        codes: int `(N, h, w)`.

    Returns:
        dict: `entropy_bits` of a code; `horizontal_bits` and `vertical_bits`, of which
        one of a grid without such neighbors is left out. Each entropy has the bias of
        its sample added (half of the seen values less one, over the sample).

    Raises:
        ValueError: if no code has a neighbor.

    Source: Miller 1955, Note on the bias of information estimates.
    """
    codes = np.asarray(codes, "int64")
    if codes.ndim != 3 or max(codes.shape[1:]) < 2:
        raise ValueError(
            f"expected grids of codes with neighbors, received shape={codes.shape}"
        )
    bits = {"entropy_bits": _entropy(codes.ravel())}
    for name, first, second in (
        ("horizontal_bits", codes[:, :, :-1], codes[:, :, 1:]),
        ("vertical_bits", codes[:, :-1], codes[:, 1:]),
    ):
        if first.size:
            first, second = first.ravel(), second.ravel()
            pairs = first * (codes.max() + 1) + second
            shared = _entropy(first) + _entropy(second) - _entropy(pairs)
            bits[name] = max(0.0, shared)
    return bits


def _entropy(values):
    """Entropy of int `(N,)` in bits, with Miller's correction."""
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    bias = (len(counts) - 1) / (2 * len(values))
    return float((bias - np.sum(shares * np.log(shares))) / np.log(2))


@registry.named("redundancy")
def measure(subject, section):
    """Effective ranks and information of neighbors of each index of each tier."""
    subject.need_codes()
    ranks, information = [], []
    for name, codebook, size, codes in code_maps(subject.model, subject.codes):
        with section.attempt(f"effective rank of the {name} codes"):
            if size > LARGEST:
                raise Skipped(f"{size:,} codes are too many to compare")
            used = codebook[np.unique(codes)]
            both = {
                "effective_rank": effective_rank(codebook),
                "used_effective_rank": effective_rank(used),
            }
            section.add(both, f"{name}_")
            ranks.append((name, codebook.shape[1], *both.values()))
        with section.attempt(f"neighbors of the {name} codes"):
            bits = neighbor_information(codes)
            section.add(bits, f"{name}_")
            names = ("entropy_bits", "horizontal_bits", "vertical_bits")
            information.append((name, *(bits.get(n, "-") for n in names)))
    header = ("tier", "length of a vector", "all codes", "codes in use")
    section.table("Effective rank", header, ranks)
    header = ("tier", "entropy of a code", "with its right", "with the one below")
    note = (
        "With many codes and few images these numbers are rough, in spite of the "
        "correction."
    )
    section.table("Bits that codes share", header, information, note)

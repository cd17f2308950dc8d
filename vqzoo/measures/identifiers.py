"""Quality of semantic IDs: reconstruction, uniqueness, neighbors."""

import numpy as np

from vqzoo import ids, registry
from vqzoo.measures.codebook import codebook_usage
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches

ORDER = 3.7
ITEMS = ("vector",)
TITLE = "Semantic IDs"
TEXT = (
    "Relative error is the squared error of the reconstructed vectors over "
    "their variance: 0 for equal vectors, 1 for their mean. An ID is unique if "
    "no other item has it; items with equal vectors are duplicates and count "
    "once. Entropy is that of the codes of one level, at most log2 of their "
    "number. Recall of neighbors is the share of the 10 items with the nearest "
    "vectors that are among the 10 items whose IDs share the longest prefix, "
    "with ties in random order."
)
GLANCE = {
    "unique": "share of items with a unique ID",
    "relative_error": "relative error of test vectors",
    "recall": "recall of neighbors by ID",
}
NEIGHBORS = 10
_QUERIES = 1000
_MOST_ITEMS = 200_000  # among which neighbors are searched


def vector_error(vectors, rebuilt, variance=None):
    """Errors of reconstructed vectors.

    Args:
        vectors: float `(N, D)`.
        rebuilt: same shape.
        variance: float, mean variance of a column; defaults to that of the vectors.

    Returns:
        dict: `relative_error`, mean squared error over the variance, and `cosine`,
        the mean cosine similarity of vectors and reconstructions.

    Raises:
        ValueError: if the shapes differ.
    """
    if vectors.shape != rebuilt.shape or not len(vectors):
        raise ValueError(
            f"expected two equal shapes, received {vectors.shape} and {rebuilt.shape}"
        )
    variance = vectors.var(axis=0).mean() if variance is None else variance
    error = np.square(vectors - rebuilt).mean(dtype="float64")
    products = np.sum(vectors * rebuilt, axis=1)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rebuilt, axis=1)
    return {
        "relative_error": float(error / max(variance, 1e-30)),
        "cosine": float(np.mean(products / np.maximum(lengths, 1e-30))),
    }


def levels(codes, num_codes):
    """Use, perplexity and entropy of each level of IDs.

    Args:
        codes: int `(N, n)`.
        num_codes: int, K.

    Returns:
        list of dicts: `usage`, `perplexity` and `entropy` in bits.
    """
    rows = []
    for column in np.asarray(codes).T:
        used = codebook_usage(column, num_codes)
        entropy = float(np.log2(used["perplexity"]))
        rows.append(
            {k: used[k] for k in ("usage", "perplexity")} | {"entropy": entropy}
        )
    return rows


def nearest_items(vectors, queries, k=NEIGHBORS):
    """The k nearest other vectors of some of the vectors: int `(Q, k)`.

    Args:
        vectors: float `(N, D)`, N above k.
        queries: int `(Q,)`, rows of the vectors.
        k: int.
    """
    half_norms = 0.5 * np.square(vectors).sum(axis=1)
    found = []
    for start in range(0, len(queries), 100):
        rows = queries[start : start + 100]
        scores = vectors[rows] @ vectors.T - half_norms
        scores[np.arange(len(rows)), rows] = -np.inf
        found.append(np.argpartition(-scores, k - 1, axis=1)[:, :k])
    return np.concatenate(found)


def prefix_recall(codes, queries, neighbors):
    """Share of true neighbors among the items with the longest common prefix.

    Args:
        codes: int `(N, n)`.
        queries: int `(Q,)`, items.
        neighbors: int `(Q, k)`, items: the nearest of each, as in `nearest_items`.

    Returns:
        float in [0, 1], the expected share if ties are in random order.
    """
    k, shares = neighbors.shape[1], []
    for query, near in zip(queries, neighbors):
        common = np.cumprod(codes == codes[query], axis=1).sum(axis=1)
        counts = np.bincount(common, minlength=codes.shape[1] + 1)
        counts[-1] -= 1  # the query itself
        before = np.append(np.cumsum(counts[::-1])[::-1], 0)
        length = common[near]
        chance = (k - before[length + 1]) / np.maximum(counts[length], 1)
        shares.append(np.clip(chance, 0, 1).mean())
    return float(np.mean(shares))


def last_digit_recall(codes, queries, neighbors, steps=(0, 1, 2)):
    """Shares of true neighbors with an equal prefix and a near last code.

    Args:
        codes, queries, neighbors: as in `prefix_recall`.
        steps: ints.

    Returns:
        dict: `same_prefix`, the share of neighbors with equal codes except the last;
        `within_S`, the share of neighbors with these and a last code at most S away;
        `lift_S`, its ratio to the share among all items with these codes: 1 if the
        order of last codes means nothing.
    """
    same, hits, shares = [], {s: [] for s in steps}, {s: [] for s in steps}
    for query, near in zip(queries, neighbors):
        alike = (codes[:, :-1] == codes[query, :-1]).all(axis=1)
        alike[query] = False
        gaps = np.abs(codes[:, -1].astype("int64") - codes[query, -1])
        same.append(alike[near].mean())
        for step in steps:
            close = gaps <= step
            hits[step].append((alike & close)[near].mean())
            if alike.any():
                shares[step].append((close[alike].mean(), alike[near].mean()))
    result = {"same_prefix": float(np.mean(same))}
    for step in steps:
        by_chance = sum(close * among for close, among in shares[step]) / len(queries)
        result[f"within_{step}"] = float(np.mean(hits[step]))
        result[f"lift_{step}"] = float(np.mean(hits[step]) / max(by_chance, 1e-30))
    return result


def flat_codes(codes):
    """The codes of each item in one row: int32 `(N, n)`."""
    (codes,) = codes
    return np.asarray(codes, "int32").reshape(len(codes), -1)


def id_metrics(codes, vectors, num_codes, seed=0):
    """All metrics of the IDs of a set of items that need no model.

    Args:
        codes: int `(N, n)`.
        vectors: float `(N, D)`.
        num_codes: int, K.
        seed: int, of the queries.

    Returns:
        dict of floats: that of `ids.summarize`, `usage_L`, `perplexity_L` and
        `entropy_L` of level L from 1 on, and `recall` of neighbors.
    """
    found = ids.summarize(codes, ids.distinct(vectors))
    for number, level in enumerate(levels(codes, num_codes), start=1):
        found |= {f"{name}_{number}": value for name, value in level.items()}
    generator = np.random.default_rng(seed)
    if len(vectors) > NEIGHBORS:
        rows = np.arange(len(vectors))
        if len(rows) > _MOST_ITEMS:
            rows = generator.choice(rows, _MOST_ITEMS, replace=False)
        queries = generator.permutation(len(rows))[:_QUERIES]
        neighbors = nearest_items(vectors[rows], queries)
        found["recall"] = prefix_recall(codes[rows], queries, neighbors)
    return {name: float(value) for name, value in found.items()}


@registry.named("identifiers")
def measure(subject, section):
    """Errors, levels, collisions and neighbors, also of held-out items."""
    if subject.model.item != "vector":
        raise Skipped(f"the items are {subject.model.item}s, and IDs are of vectors")
    model, table = subject.model, subject.data.table
    variance = float(table.vectors.var(axis=0).mean())
    rows = []
    for name, vectors in (
        ("test, not seen in training", subject.images),
        ("training", subject.train_images),
    ):
        codes = subject.encode(vectors)
        rebuilt = in_batches(model.decode, codes, batch_size=4096)
        error = vector_error(vectors, rebuilt, variance)
        share = ids.summarize(flat_codes(codes), ids.distinct(vectors))["unique"]
        section.add(error, "" if name != "training" else "train_")
        rows.append((name, len(vectors), *error.values(), share))
    section.table(
        "Reconstruction of vectors",
        ("items", "number", "relative error", "cosine", "share with a unique ID"),
        rows,
    )
    subject.need_codes()
    codes = flat_codes(subject.encode(table.vectors))
    num_codes = subject.tiers[0].num_embeddings
    found = id_metrics(codes, table.vectors, num_codes)
    section.add(found)
    section.table(
        f"Levels of the IDs of all {len(codes):,} items",
        (
            "level",
            "share of codes in use",
            "perplexity",
            f"entropy, of {np.log2(num_codes):.1f} bits",
        ),
        [
            (
                str(number),
                *(
                    found[f"{name}_{number}"]
                    for name in ("usage", "perplexity", "entropy")
                ),
            )
            for number in range(1, codes.shape[1] + 1)
        ],
    )
    section.remarks.append(
        f"Of {found['items']:,.0f} items, {found['duplicates']:,.0f} are duplicates. "
        f"Of the others, {found['unique']:.2%} have a unique ID, and "
        f"{found['collisions_per_1000']:.1f} in 1,000 have the ID of an earlier item. "
        f"The largest group with one ID has {found['largest_group']:.0f} items."
    )

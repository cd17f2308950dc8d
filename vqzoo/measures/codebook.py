"""How a codebook is used and how it is ordered."""

import functools

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.distances import diversity
from vqzoo.measures.findings import Skipped
from vqzoo.metrics import CodebookUsage

ORDER = 2
ITEMS = ("image", "vector", "sequence")
TITLE = "Codebooks"
TEXT = (
    "How many codes all test images together use. Perplexity is the number of "
    "codes that, used equally, would carry the same information. And whether "
    "indices have an order. Ordering is the distance between code vectors with "
    "neighboring indices over that between random pairs: 1 without order, near "
    "0 along a smooth path. The rank correlation compares distances of indices "
    "with distances of code vectors: 0 without order, 1 along a line."
)
GLANCE = {
    "top_perplexity": "perplexity of the top codes",
    "bottom_perplexity": "perplexity of the bottom codes",
}
LARGEST = 16_384  # codes of which distances are compared and drawn
SHOWN_INDICES = 4  # of each tier, where a latent has several codes


def codebook_usage(codes, num_embeddings, code_axes=0):
    """Usage, perplexity of the whole set, and dead codes of one tier.

    Args:
        codes: int array of any shape, in [0, num_embeddings): of the whole set.
        num_embeddings: int, K.
        code_axes: int, how many axes at the end are the codes of one latent. Each code
            is measured alone, and the results are means over them.

    Returns:
        dict: `usage` in [0, 1], `perplexity` in [1, K], `dead_codes` in [0, K].
    """
    codes = np.asarray(codes)
    columns = [codes]
    if code_axes:
        num_columns = int(np.prod(codes.shape[-code_axes:]))
        columns = list(codes.reshape(-1, num_columns).T)
    rows = []
    for column in columns:
        metric = CodebookUsage(num_embeddings)
        metric.update_state(column)
        rows.append({name: float(value) for name, value in metric.result().items()})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def codebook_ordering(codebook, seed=0):
    """Mean distance of codes with neighboring indices, over that of random pairs.

    Args:
        codebook: float `(K, D)`.
        seed: int, of the random pairs.

    Returns:
        float: about 1 for a codebook without order, near 0 for a smooth one. 1 where
        all codes are equal, or there is one alone.

    Source: Coppock's thesis, section 4.2, shows the order; the ratio is ours.
    """
    codebook = np.asarray(codebook, "float64")
    if len(codebook) < 2:
        return 1.0
    random_pairs = diversity(codebook, 20_000, seed)
    neighbors = np.linalg.norm(np.diff(codebook, axis=0), axis=1).mean()
    return float(neighbors / random_pairs) if random_pairs > 0 else 1.0


def codebook_metrics(layer, codes):
    """Use and order of a quantizer's codes, as history, reports and sweeps name them.

    Args:
        layer: a quantizer.
        codes: int array `(N, h, w, ...)`: of the whole set.

    Returns:
        dict: that of `codebook_usage` and `ordering`, the mean of its codebooks.
    """
    axes = layer.code_axes
    orders = [codebook_ordering(codebook) for codebook in layer.codebooks]
    usage = codebook_usage(codes, layer.num_embeddings, axes)
    return {**usage, "ordering": float(np.mean(orders))}


def index_rank_correlation(codebook, max_codes=2048, seed=0):
    """Spearman's rank correlation of the distance of indices with that of codes.

    Args:
        codebook: float `(K, D)`, K of at least 3.
        max_codes: int: of a larger codebook, so many codes drawn at random are compared
            pair by pair.
        seed: int, of those.

    Returns:
        float in [-1, 1]: near 1 where codes lie along a line in the order of their
        indices, about 0 without order, and 0 where all codes are equal.

    Raises:
        ValueError: if there are fewer than 3 codes.

    Source: Coppock's thesis, section 4.2, shows the order; the number is ours.
    """
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    codebook = np.asarray(codebook, "float64")
    if len(codebook) < 3:
        raise ValueError(f"expected at least 3 codes, received {len(codebook)}")
    indices = np.arange(len(codebook))
    if len(codebook) > max_codes:
        generator = np.random.default_rng(seed)
        indices = np.sort(generator.choice(indices, max_codes, replace=False))
    distances = pdist(codebook[indices])
    if np.ptp(distances) == 0:
        return 0.0
    return float(spearmanr(pdist(indices[:, None]), distances).statistic)


def code_maps(model, codes, limit=SHOWN_INDICES):
    """The first indices of each tier, one after the other.

    Args:
        model: a model of vqzoo.models with quantizers.
        codes: tuple of int arrays `(N, h, w, ...)`, top first, as it encodes images.
        limit: int, indices of each tier where a latent has several.

    Yields:
        `(name, codebook, K, indices)`: the tier's name, with the number of the index
        where there are several; float `(K, d)`; int; int `(N, h, w)`.
    """
    for tier, layer, indices in zip(model.tier_names, model.quantizers, codes):
        grid = indices.shape[: indices.ndim - layer.code_axes]
        indices = indices.reshape(*grid, -1)
        codebooks = layer.codebooks
        for index in range(min(indices.shape[-1], limit)):
            name = tier if indices.shape[-1] == 1 else f"{tier} {index + 1}"
            codebook = np.asarray(codebooks[index % len(codebooks)])
            yield name, codebook, layer.num_embeddings, indices[..., index]


def gray_maps(images, maps):
    """Rows of `plots.strips`: images, and below them the codes that they have.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        maps: iterable of `(name, K, codes)`, codes int `(N, h, w)`, which become gray
            images: black is the code 0, white the code K - 1.

    Source: Coppock's thesis, figure 4.11.
    """
    rows = {"image": images}
    for name, size, codes in maps:
        gray = codes[: len(images), ..., None] / max(size - 1, 1) - 0.5
        rows[name.replace(" ", "\n")] = gray
    return rows


@registry.named("codebook")
def measure(subject, section):
    """Use and order of each codebook."""
    subject.need_codes()
    usage_rows, order_rows = [], []
    for tier, codes in zip(subject.tiers, subject.codes):
        metrics = codebook_metrics(tier.layer, codes)
        section.add(metrics, f"{tier.name}_")
        assignment = tier.layer.assignment
        if assignment is not None and assignment.moved_share is not None:
            section.add({f"{tier.name}_moved_share": assignment.moved_share})
        dead = metrics["dead_codes"]  # of several indices a mean, else a count
        usage_rows.append(
            (
                tier.name,
                tier.num_embeddings,
                metrics["usage"],
                metrics["perplexity"],
                int(dead) if dead == int(dead) else dead,
            )
        )
    for name, codebook, size, codes in code_maps(subject.model, subject.codes):
        with section.attempt(f"order of the {name} codes"):
            if size > LARGEST:
                raise Skipped(f"{size:,} codes are too many to compare")
            order = {
                "ordering": codebook_ordering(codebook),
                "rank_correlation": index_rank_correlation(codebook),
            }
            section.add(order, f"{name}_")
            order_rows.append((name, *order.values()))
            counts = np.bincount(codes.ravel(), minlength=size)
            section.picture(
                f"Codes of the {name} tier",
                "The code vectors on the two main axes of their codebook, colored by "
                "index and joined in their order. An ordered codebook shows a smooth "
                "path of color; without order the colors are mixed. Hollow codes are "
                "not in use.",
                functools.partial(plots.codebook_pca, {name: codebook}, {name: counts}),
                width=4.8,
            )
    section.table(
        f"Use of the codes, {len(subject.images):,} test images",
        ("tier", "codes", "share in use", "perplexity", "dead codes"),
        usage_rows,
    )
    header = ("tier", "ordering (neighbors over random pairs)", "rank correlation")
    section.table("Order of the indices", header, order_rows)

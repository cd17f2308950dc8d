"""How a codebook is used and how it is ordered."""

import numpy as np

from vqzoo.metrics import CodebookUsage

SHOWN_INDICES = 4  # of each tier, where a latent has several codes


def codebook_usage(codes, num_embeddings, code_axes=0):
    """Usage, set perplexity and dead codes of one tier.

    Args:
        codes: int array of any shape, in [0, num_embeddings): of the whole set.
        num_embeddings: int, K.
        code_axes: int, how many axes at the end are the codes of one latent. Each of
            these is measured alone, and the figures are their means.

    Returns:
        dict: `usage` in [0, 1], `perplexity` in [1, K], `dead_codes` in [0, K].
    """
    codes = np.asarray(codes)
    columns = [codes]
    if code_axes:
        num_columns = int(np.prod(codes.shape[-code_axes:]))
        columns = list(codes.reshape(-1, num_columns).T)
    found = []
    for column in columns:
        metric = CodebookUsage(num_embeddings)
        metric.update_state(column)
        found.append({name: float(value) for name, value in metric.result().items()})
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


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
    generator = np.random.default_rng(seed)
    first = generator.integers(len(codebook), size=20_000)
    second = (first + generator.integers(1, len(codebook), size=20_000)) % len(codebook)
    random_pairs = np.linalg.norm(codebook[first] - codebook[second], axis=1).mean()
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
    orders = [codebook_ordering(book) for book in layer.codebooks]
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


def each_index(model, codes, limit=SHOWN_INDICES):
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
        books = layer.codebooks
        for index in range(min(indices.shape[-1], limit)):
            name = tier if indices.shape[-1] == 1 else f"{tier} {index + 1}"
            book = np.asarray(books[index % len(books)])
            yield name, book, layer.num_embeddings, indices[..., index]

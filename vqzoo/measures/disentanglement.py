"""How well single numbers of a representation stand for single factors of the data.

Representations are float or int arrays `(N, codes)`, factors int arrays `(N, factors)`.
The sizes of samples that each measure was studied with are the defaults of
`disentanglement_scores`.
"""

import functools

import numpy as np

from vqzoo import registry
from vqzoo.measures.factor_information import (
    TINY,
    info_mec,
    linear_classifier,
    modularity,
    mutual_information_gap,
)
from vqzoo.measures.factor_prediction import (
    dci,
    downstream,
    explicitness,
    separated_attribute_predictability,
)
from vqzoo.measures.findings import Skipped
from vqzoo.measures.representation import represent

ORDER = 14
TITLE = "Disentanglement"
TEXT = (
    "How well single numbers of a representation stand for single factors of "
    "the data, on images of every combination of known factors. The best value "
    "of each measure is 1. The name of a row says how a grid of codes became a "
    "vector, because this decides what is measured."
)


def beta_vae_score(
    sample_factors, represent, *, num_train=10_000, num_test=5000, pairs=64, seed=0
):
    """Accuracy of telling, from differences of codes, which factor pairs had in common.

    Args:
        sample_factors: function from a count and a numpy generator to factors `(n, F)`.
        represent: function from factors `(n, F)` to codes `(n, C)` of their images.
        num_train: int, points that the classifier learns from.
        num_test: int, points that it is tested on.
        pairs: int, whose mean difference is a point.
        seed: int.

    Returns:
        float in [0, 1].

    Source: Higgins et al. 2017, ICLR, section 3; sizes: Locatello et al. 2019, arXiv
        1811.12359.
    """
    generator = np.random.default_rng(seed)
    num_factors = sample_factors(1, generator).shape[1]

    def points(count):
        differences, labels = [], generator.integers(num_factors, size=count)
        for factor in labels:
            first, second = (sample_factors(pairs, generator) for _ in range(2))
            second[:, factor] = first[:, factor]
            difference = np.abs(represent(first) - represent(second))
            differences.append(difference.mean(axis=0))
        return np.array(differences), labels

    classifier = linear_classifier(*points(num_train), scaled=False)
    return float(classifier.score(*points(num_test)))


def factor_vae_score(
    sample_factors,
    represent,
    *,
    num_train=10_000,
    num_test=5000,
    batch_size=64,
    num_variance=10_000,
    least_deviation=0.05,
    seed=0,
):
    """Accuracy of naming the factor that is fixed by the code that varies least.

    Args:
        sample_factors: as in `beta_vae_score`.
        represent: as in `beta_vae_score`.
        num_train: int, votes that make the table.
        num_test: int, votes that it is tested on.
        batch_size: int, images of a vote.
        num_variance: int, images for the variance of each code.
        least_deviation: float: codes of a smaller standard deviation do not count.
        seed: int.

    Returns:
        float in [0, 1]; 0 where no code varies.

    Source: Kim and Mnih 2018, arXiv 1802.05983, section 4; sizes: Locatello et al.
        2019, arXiv 1811.12359.
    """
    generator = np.random.default_rng(seed)
    codes = np.asarray(represent(sample_factors(num_variance, generator)), float)
    variances = codes.var(axis=0, ddof=1)
    active = np.sqrt(variances) >= least_deviation
    if not active.any():
        return 0.0
    num_factors = sample_factors(1, generator).shape[1]

    def votes(count):
        table = np.zeros((codes.shape[1], num_factors), int)
        for factor in generator.integers(num_factors, size=count):
            factors = sample_factors(batch_size, generator)
            factors[:, factor] = factors[0, factor]
            local = np.asarray(represent(factors), float).var(axis=0, ddof=1)
            ratio = np.where(active, local / np.maximum(variances, TINY), np.inf)
            table[np.argmin(ratio), factor] += 1
        return table

    named = votes(num_train).argmax(axis=1)
    test = votes(num_test)
    return float(test[np.arange(len(test)), named].sum() / test.sum())


def disentanglement_scores(
    sample_factors, represent, *, num_test=5000, seed=0, tree_model=None, num_floors=3
):
    """Every measure with its floor, by default at the sizes of the study.

    A floor is what a measure gives where codes know nothing: factors in another order
    than their codes, or an even guess of a factor. It is not 0: of a code that knows
    nothing, the factor that it seems to know best is one of several.

    Args:
        sample_factors: as in `beta_vae_score`.
        represent: as in `beta_vae_score`.
        num_test: int, samples that each is tested on; it learns from twice as many.
        seed: int.
        tree_model: as `model` of `dci`.
        num_floors: int, orders that a floor is the mean of.

    Returns:
        Flat dict of floats; beside each measure `MEASURE_floor` and
        `MEASURE_floor_deviation`; and how useful the codes are, as in `downstream`.

    Source: Locatello et al. 2019, arXiv 1811.12359, appendix B.
    """
    num_train = 2 * num_test
    generator = np.random.default_rng(seed)
    factors = [sample_factors(n, generator) for n in (num_train, num_test)]
    codes = [np.asarray(represent(rows)) for rows in factors]
    train, test = zip(codes, factors)
    sizes = {"num_train": num_train, "num_test": num_test, "seed": seed}
    sampled = (sample_factors, represent)
    floors = [
        _scores_of_pairs(
            *((values, generator.permutation(rows)) for values, rows in (train, test)),
            seed,
            tree_model,
        )
        for _ in range(num_floors)
    ]
    scores = _scores_of_pairs(train, test, seed, tree_model)
    trees = scores["dci_informativeness_test"]
    guess = 1 / factors[0].shape[1]
    deviation = np.sqrt(guess * (1 - guess) / num_test)
    guesses = {"_floor": guess, "_floor_deviation": float(deviation)}
    return {
        "beta_vae": beta_vae_score(*sampled, **sizes),
        "factor_vae": factor_vae_score(*sampled, num_variance=num_train, **sizes),
        **scores,
        **downstream(*train, *test, seed, tree_model, of_all=trees),
        **{
            f"{n}{k}": v for n in ("beta_vae", "factor_vae") for k, v in guesses.items()
        },
        **{f"{k}_floor": float(np.mean([f[k] for f in floors])) for k in floors[0]},
        **{
            f"{k}_floor_deviation": float(np.std([f[k] for f in floors], ddof=1))
            for k in floors[0]
        },
    }


def _scores_of_pairs(train, test, seed, tree_model):
    """The measures that take codes and factors as they are: a dict of floats."""
    both = (*train, *test)
    return {
        "mutual_information_gap": mutual_information_gap(*train),
        **{f"dci_{k}": v for k, v in dci(*both, seed, tree_model).items()},
        "modularity": modularity(*train),
        "explicitness": explicitness(*both),
        "separated_attribute_predictability": separated_attribute_predictability(*both),
        **info_mec(*train),
    }


def above_floor(scores, name, deviations=2):
    """Whether a measure of `disentanglement_scores` is above its floor.

    Args:
        scores: dict; without floors, as of earlier runs, every measure is.
        name: str.
        deviations: float, of the floor, that it must be above it.
    """
    spread = scores.get(f"{name}_floor_deviation", 0.0)
    floor = scores.get(f"{name}_floor", -np.inf) + deviations * spread
    return scores[name] > floor


@registry.named("disentanglement")
def measure(subject, section):
    """All measures, of each tier in the chosen representation."""
    factors = subject.options.get("factors")
    if factors is None:
        raise Skipped("it takes minutes to hours: add --factors=sprites")
    sample_factors, images_of = factors
    shape = images_of(sample_factors(1, np.random.default_rng(0))).shape[1:]
    if shape[:2] != tuple(subject.model.image_shape[:2]):
        raise Skipped(
            f"the images with known factors are {shape[0]} x {shape[1]}, the model's "
            f"{' x '.join(map(str, subject.model.image_shape[:2]))}"
        )
    columns, representations = {}, _representations(subject)
    for name, vectors in representations.items():
        with section.attempt(name):
            columns[name] = disentanglement_scores(
                sample_factors,
                lambda rows, vectors=vectors: vectors(
                    _images(subject, images_of(rows))
                ),
                num_test=subject.sizes.factor_images,
            )
            key = name.replace(", ", "_").replace(" ", "_")
            prefix = f"{key}_" if len(representations) > 1 else ""
            section.add(columns[name], prefix)
    if columns:
        names = [n for n in next(iter(columns.values())) if "_floor" not in n]
        header = [head for name in columns for head in (name, "floor")]
        rows = [
            (
                name.replace("_", " "),
                *(
                    v
                    for c in columns.values()
                    for v in (c[name], c.get(f"{name}_floor", "-"))
                ),
            )
            for name in names
        ]
        section.table(
            f"Measures of {subject.sizes.factor_images:,} images",
            ("measure", *header),
            rows,
            "The floor is what the measure gives for shuffled factors, of which the "
            "codes know nothing.",
        )


def _images(subject, images):
    """Images with as many channels as the model takes."""
    channels = subject.model.image_shape[2]
    return np.repeat(images, channels, axis=-1) if images.shape[-1] == 1 else images


def _representations(subject):
    """Functions from images to vectors, by name."""
    if not subject.tiers:
        return {"latents": lambda x: subject.encode(x)[0].reshape(len(x), -1)}
    kind = subject.options.get("representation", "indices")

    def vectors(tier, images):
        options = {"num_embeddings": tier.num_embeddings}
        if kind in ("sorted_indices", "vectors", "mean_vector"):
            options = {"codebook": tier.codebook}
        rows = represent(subject.encode(images)[tier.index], kind, **options)
        return rows.toarray() if kind == "one_hot" else rows

    return {
        f"{tier.name}, {kind}": functools.partial(vectors, tier)
        for tier in subject.tiers
    }

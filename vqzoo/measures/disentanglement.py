"""How far single numbers of a representation stand for single factors of the data.

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
from vqzoo.measures.findings import Skipped
from vqzoo.measures.representation import represent

ORDER = 14
TITLE = "Disentanglement"
TEXT = (
    "How far single numbers of a representation stand for single factors of the data: "
    "images of every combination of known factors. All are 1 at best. How a grid of "
    "codes is made a vector is part of the measure and stands in its name."
)


def dci(train_codes, train_factors, test_codes, test_factors, seed=0, model=None):
    """Disentanglement, completeness and informativeness of boosted trees.

    Args:
        train_codes: `(N, C)`.
        train_factors: int `(N, F)`.
        test_codes: `(M, C)`.
        test_factors: int `(M, F)`.
        seed: int, of the trees.
        model: function that makes a classifier with feature importances; defaults to
            scikit-learn's gradient boosting, minutes a factor at full size.

    Returns:
        dict: `disentanglement`, `completeness`, `informativeness_train` and
        `informativeness_test` (accuracies), each in [0, 1].

    Source: Eastwood and Williams 2018, ICLR; with boosted trees: Locatello et al. 2019,
        arXiv 1811.12359.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    make = model or (lambda: GradientBoostingClassifier(random_state=seed))
    importance, train, test = [], [], []
    for train_values, test_values in _by_factor(train_factors, test_factors):
        classifier = make().fit(train_codes, train_values)
        importance.append(np.abs(classifier.feature_importances_))
        train.append(classifier.score(train_codes, train_values))
        test.append(classifier.score(test_codes, test_values))
    importance = np.stack(importance, axis=1)  # (C, F)
    return {
        "disentanglement": _concentration(importance),
        "completeness": _concentration(importance.T),
        "informativeness_train": float(np.mean(train)),
        "informativeness_test": float(np.mean(test)),
    }


def _by_factor(train_factors, test_factors):
    """Values `(N,)` and `(M,)` of one factor after the other."""
    return zip(np.asarray(train_factors).T, np.asarray(test_factors).T)


def _concentration(importance):
    """Mean over rows, weighted by their sums, of 1 - entropy in units of its most."""
    rows = importance.sum(axis=1)
    weights = rows / rows.sum() if rows.sum() > 0 else np.full(len(rows), 1 / len(rows))
    shares = importance + TINY
    shares = shares / shares.sum(axis=1, keepdims=True)
    most = np.log(importance.shape[1]) if importance.shape[1] > 1 else 1.0
    entropy = -(shares * np.log(shares)).sum(axis=1) / most
    return float(np.sum(weights * (1 - entropy)))


def explicitness(train_codes, train_factors, test_codes, test_factors):
    """How well a linear classifier tells the values of each factor: float in [0, 1].

    It is the mean over factors and their values of the area under the ROC curve, of
    arrays as in `dci`.

    Source: Ridgeway and Mozer 2018, arXiv 1802.05312, section 3.
    """
    from sklearn.metrics import roc_auc_score

    areas = []
    for train_values, test_values in _by_factor(train_factors, test_factors):
        classifier = linear_classifier(train_codes, train_values)
        scores = classifier.predict_proba(test_codes)
        values = classifier.classes_
        factor_areas = [
            roc_auc_score(test_values == value, score)
            for value, score in zip(values, scores.T)
            if 0 < np.mean(test_values == value) < 1
        ]
        areas.append(np.mean(factor_areas))
    return float(np.mean(areas))


def separated_attribute_predictability(
    train_codes, train_factors, test_codes, test_factors
):
    """SAP: how much better the best single code tells a factor than the second best.

    It is the mean over factors of the difference in accuracy, in [0, 1], of arrays as
    in `dci` with two codes or more.

    Source: Kumar et al. 2018, arXiv 1711.00848, section 3; linear support vector
        machines with C = 0.01 and balanced classes: Locatello et al. 2019, arXiv
        1811.12359.
    """
    from sklearn.svm import LinearSVC

    train_codes, test_codes = np.asarray(train_codes), np.asarray(test_codes)
    gaps = []
    for train_values, test_values in _by_factor(train_factors, test_factors):
        scores = []
        for code in range(train_codes.shape[1]):
            classifier = LinearSVC(C=0.01, class_weight="balanced", max_iter=10_000)
            classifier.fit(train_codes[:, code : code + 1], train_values)
            scores.append(classifier.score(test_codes[:, code : code + 1], test_values))
        best = np.sort(scores)[::-1]
        gaps.append(best[0] - best[1])
    return float(np.mean(gaps))


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
        sample_factors: as of `beta_vae_score`.
        represent: as of `beta_vae_score`.
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
    sample_factors, represent, *, num_test=5000, seed=0, tree_model=None
):
    """Every measure, by default at the sizes of the study.

    Args:
        sample_factors: as of `beta_vae_score`.
        represent: as of `beta_vae_score`.
        num_test: int, samples that each is tested on; it learns from twice as many.
        seed: int.
        tree_model: as `model` of `dci`.

    Returns:
        Flat dict of floats.

    Source: Locatello et al. 2019, arXiv 1811.12359, appendix B.
    """
    num_train = 2 * num_test
    generator = np.random.default_rng(seed)
    factors = [sample_factors(n, generator) for n in (num_train, num_test)]
    codes = [np.asarray(represent(rows)) for rows in factors]
    train, test = zip(codes, factors)
    sizes = {"num_train": num_train, "num_test": num_test, "seed": seed}
    both = (*train, *test)
    sampled = (sample_factors, represent)
    return {
        "beta_vae": beta_vae_score(*sampled, **sizes),
        "factor_vae": factor_vae_score(*sampled, num_variance=num_train, **sizes),
        "mutual_information_gap": mutual_information_gap(*train),
        **{f"dci_{k}": v for k, v in dci(*both, seed, tree_model).items()},
        "modularity": modularity(*train),
        "explicitness": explicitness(*both),
        "separated_attribute_predictability": separated_attribute_predictability(*both),
        **info_mec(*train),
    }


@registry.named("disentanglement")
def measure(subject, section):
    """All measures, of each tier in the representation that was asked for."""
    factors = subject.options.get("factors")
    if factors is None:
        raise Skipped("it takes minutes to hours: --factors=sprites")
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
        names = next(iter(columns.values()))
        rows = [(n.replace("_", " "), *(c[n] for c in columns.values())) for n in names]
        section.table("Measures", ("measure", *columns), rows)


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

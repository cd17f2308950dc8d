"""How far single numbers of a representation stand for single factors of the data.

Representations are float or int arrays `(N, codes)`, factors int arrays `(N, factors)`.
The sizes of samples that each measure was studied with are the defaults of
`disentanglement_scores`.
"""

import warnings

import numpy as np

BINS = 20
_TINY = 1e-11


def histogram_bins(codes, bins=BINS):
    """Each column of codes `(N, C)` in bins of equal width: int `(N, C)` from 1 on."""
    codes = np.asarray(codes)
    return np.stack(
        [np.digitize(c, np.histogram(c, bins)[1][:-1]) for c in codes.T], axis=1
    )


def mutual_information(codes, factors, bins=BINS):
    """Mutual information of every code with every factor: float `(C, F)`, nats.

    Args:
        codes: `(N, C)`. Integers are taken as they are, floats in bins.
        factors: int `(N, F)`.
        bins: int.
    """
    from sklearn.metrics import mutual_info_score

    codes = np.asarray(codes)
    if codes.dtype.kind == "f":
        codes = histogram_bins(codes, bins)
    return np.array(
        [[mutual_info_score(f, c) for f in np.asarray(factors).T] for c in codes.T]
    )


def entropies(factors):
    """Entropy of each factor of int `(N, F)`: float `(F,)`, nats."""
    from sklearn.metrics import mutual_info_score

    return np.array([mutual_info_score(f, f) for f in np.asarray(factors).T])


def mutual_information_gap(codes, factors, bins=BINS):
    """MIG: how much more the best code knows of a factor than the second best.

    Args:
        codes: `(N, C)`, C of at least 2.
        factors: int `(N, F)`.
        bins: int.

    Returns:
        float in [0, 1]: the mean over factors of (I_1 - I_2) / H.

    Source: Chen et al. 2018, arXiv 1802.04942, equation 6; bins: Locatello et al. 2019,
        arXiv 1811.12359.
    """
    information = np.sort(mutual_information(codes, factors, bins), axis=0)[::-1]
    gaps = information[0] - information[1]
    return float(np.mean(gaps / np.maximum(entropies(factors), _TINY)))


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
    for of_train, of_test in zip(
        np.asarray(train_factors).T, np.asarray(test_factors).T
    ):
        classifier = make().fit(train_codes, of_train)
        importance.append(np.abs(classifier.feature_importances_))
        train.append(classifier.score(train_codes, of_train))
        test.append(classifier.score(test_codes, of_test))
    importance = np.stack(importance, axis=1)  # (C, F)
    return {
        "disentanglement": _concentration(importance),
        "completeness": _concentration(importance.T),
        "informativeness_train": float(np.mean(train)),
        "informativeness_test": float(np.mean(test)),
    }


def _concentration(importance):
    """Mean over rows, weighted by their sums, of 1 - entropy in units of its most."""
    rows = importance.sum(axis=1)
    weights = rows / rows.sum() if rows.sum() > 0 else np.full(len(rows), 1 / len(rows))
    shares = importance + _TINY
    shares = shares / shares.sum(axis=1, keepdims=True)
    most = np.log(importance.shape[1]) if importance.shape[1] > 1 else 1.0
    entropy = -(shares * np.log(shares)).sum(axis=1) / most
    return float(np.sum(weights * (1 - entropy)))


def modularity(codes, factors, bins=BINS):
    """How nearly each code knows of one factor alone: float in [0, 1].

    Args:
        codes: `(N, C)`.
        factors: int `(N, F)`, F of at least 2.
        bins: int.

    Source: Ridgeway and Mozer 2018, arXiv 1802.05312, equation 2. A code that knows
        nothing counts 0.
    """
    squares = np.square(mutual_information(codes, factors, bins))
    most = squares.max(axis=1)
    rest = squares.sum(axis=1) - most
    known = np.maximum(most, _TINY) * (squares.shape[1] - 1)
    return float(np.mean(np.where(most > _TINY, 1 - rest / known, 0.0)))


def explicitness(train_codes, train_factors, test_codes, test_factors):
    """How well a linear classifier tells the values of each factor: float in [0, 1].

    Args:
        train_codes: `(N, C)`.
        train_factors: int `(N, F)`.
        test_codes: `(M, C)`.
        test_factors: int `(M, F)`.

    Returns:
        The mean over factors and their values of the area under the ROC curve.

    Source: Ridgeway and Mozer 2018, arXiv 1802.05312, section 3.
    """
    from sklearn.metrics import roc_auc_score

    areas = []
    for of_train, of_test in zip(
        np.asarray(train_factors).T, np.asarray(test_factors).T
    ):
        classifier = _linear_classifier(train_codes, of_train)
        scores = classifier.predict_proba(test_codes)
        values = classifier.classes_
        of_factor = [
            roc_auc_score(of_test == value, score)
            for value, score in zip(values, scores.T)
            if 0 < np.mean(of_test == value) < 1
        ]
        areas.append(np.mean(of_factor))
    return float(np.mean(areas))


def separated_attribute_predictability(
    train_codes, train_factors, test_codes, test_factors
):
    """SAP: how much better the best single code tells a factor than the second best.

    Args:
        train_codes: `(N, C)`, C of at least 2.
        train_factors: int `(N, F)`.
        test_codes: `(M, C)`.
        test_factors: int `(M, F)`.

    Returns:
        float in [0, 1]: the mean over factors of the difference in accuracy.

    Source: Kumar et al. 2018, arXiv 1711.00848, section 3; linear support vector
        machines with C = 0.01 and balanced classes: Locatello et al. 2019, arXiv
        1811.12359.
    """
    from sklearn.svm import LinearSVC

    train_codes, test_codes = np.asarray(train_codes), np.asarray(test_codes)
    gaps = []
    for of_train, of_test in zip(
        np.asarray(train_factors).T, np.asarray(test_factors).T
    ):
        scores = []
        for code in range(train_codes.shape[1]):
            classifier = LinearSVC(C=0.01, class_weight="balanced", max_iter=10_000)
            classifier.fit(train_codes[:, code : code + 1], of_train)
            scores.append(classifier.score(test_codes[:, code : code + 1], of_test))
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
        found, labels = [], generator.integers(num_factors, size=count)
        for factor in labels:
            first, second = (sample_factors(pairs, generator) for _ in range(2))
            second[:, factor] = first[:, factor]
            difference = np.abs(represent(first) - represent(second))
            found.append(difference.mean(axis=0))
        return np.array(found), labels

    classifier = _linear_classifier(*points(num_train), scaled=False)
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
        sample_factors: function from a count and a numpy generator to factors `(n, F)`.
        represent: function from factors `(n, F)` to codes `(n, C)` of their images.
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
            ratio = np.where(active, local / np.maximum(variances, _TINY), np.inf)
            table[np.argmin(ratio), factor] += 1
        return table

    named = votes(num_train).argmax(axis=1)
    test = votes(num_test)
    return float(test[np.arange(len(test)), named].sum() / test.sum())


def info_mec(codes, factors, bins=BINS, least_deviation=1e-6):
    """InfoM, InfoC and InfoE: modularity, compactness and explicitness in one unit.

    Args:
        codes: `(N, C)`. Integers are taken as they are, floats in bins.
        factors: int `(N, F)`, F of at least 2.
        bins: int.
        least_deviation: float: codes of a smaller standard deviation do not count.

    Returns:
        dict: `info_m`, `info_c` and `info_e`, each 1 at best; 0 without active codes.

    Source: Hsu et al. 2023, arXiv 2305.18378, section 4. InfoE is of logistic
        regression on the codes, beside naming the frequencies alone.
    """
    codes = np.asarray(codes)
    active = codes.astype(float).std(axis=0) > least_deviation
    if not active.any():
        return {"info_m": 0.0, "info_c": 0.0, "info_e": 0.0}
    codes = codes[:, active]
    share = mutual_information(codes, factors, bins) / np.maximum(
        entropies(factors), _TINY
    )
    return {
        "info_m": _dominance(share),
        "info_c": _dominance(share.T),
        "info_e": _predictive_information(codes, factors),
    }


def _dominance(share):
    """Mean over rows of what the largest entry has of the row, from chance 0 to 1."""
    count = share.shape[1]
    if count == 1:
        return 1.0
    largest = share.max(axis=1) / np.maximum(share.sum(axis=1), _TINY)
    return float((largest.mean() - 1 / count) / (1 - 1 / count))


def _predictive_information(codes, factors):
    """Mean share of each factor's log loss that logistic regression takes away."""
    from sklearn.metrics import log_loss

    found = []
    for factor in np.asarray(factors).T:
        classifier = _linear_classifier(codes, factor)
        predicted = classifier.predict_proba(codes)
        loss = log_loss(factor, predicted, labels=classifier.classes_)
        found.append(1 - loss / max(entropies(factor[:, None])[0], _TINY))
    return float(np.mean(found))


def _linear_classifier(codes, values, scaled=True):
    """Logistic regression after 1,000 steps at most, which separable values use up."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(max_iter=1000)
    if scaled:
        classifier = make_pipeline(StandardScaler(), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(codes, values)


def disentanglement_scores(
    sample_factors, represent, *, num_test=5000, seed=0, tree_model=None
):
    """Every measure, by default at the sizes of the study.

    Args:
        sample_factors: function from a count and a numpy generator to factors `(n, F)`.
        represent: function from factors `(n, F)` to codes `(n, C)` of their images.
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
    codes = [np.asarray(represent(each)) for each in factors]
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

"""How well classifiers tell factors of the data from numbers of a representation.

Representations are float or int arrays `(N, codes)`, factors int arrays `(N, factors)`.
"""

import numpy as np

from vqzoo.measures.factor_information import TINY, linear_classifier

LABELS = (10, 100, 1000, 10_000)


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


def downstream(
    train_codes,
    train_factors,
    test_codes,
    test_factors,
    seed=0,
    model=None,
    counts=LABELS,
    of_all=None,
):
    """Accuracy of telling factors from few labels and from many.

    Args:
        train_codes: `(N, C)`.
        train_factors: int `(N, F)`.
        test_codes: `(M, C)`.
        test_factors: int `(M, F)`.
        seed: int, of the trees.
        model: as in `dci`.
        counts: ints, of labels; those above N are left out.
        of_all: float, the trees' accuracy with all N labels, where it is known.

    Returns:
        Flat dict: `logistic_regression_COUNT` and `boosted_trees_COUNT`, the mean over
        factors, and `KIND_efficiency`, the accuracy with 100 labels over that with most
        of them. Beside each accuracy its floor, that of the most frequent value, and
        the deviation of that.

    Source: Locatello et al. 2019, arXiv 1811.12359, section 5.5. Differs: one weight of
        the logistic regression's penalty.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    make = model or (lambda: GradientBoostingClassifier(random_state=seed))
    kinds = {
        "logistic_regression": linear_classifier,
        "boosted_trees": lambda codes, values: make().fit(codes, values),
    }
    train_factors, test_factors = np.asarray(train_factors), np.asarray(test_factors)
    counts = [count for count in counts if count <= len(train_codes)]
    known = {("boosted_trees", len(train_codes)): of_all}
    floor = np.mean([np.bincount(f).max() / len(f) for f in test_factors.T])
    spread = float(np.sqrt(floor * (1 - floor) / test_factors.size))
    found = {}
    for kind, fit in kinds.items():
        for count in counts:
            score = known.get((kind, count))
            if score is None:
                pairs = _by_factor(train_factors[:count], test_factors)
                score = np.mean(
                    [_accuracy(fit, train_codes[:count], test_codes, *p) for p in pairs]
                )
            name = f"{kind}_{count}"
            found |= {name: float(score), f"{name}_floor": float(floor)}
            found[f"{name}_floor_deviation"] = spread
        if 100 in counts[:-1]:
            most = found[f"{kind}_{counts[-1]}"]
            found[f"{kind}_efficiency"] = found[f"{kind}_100"] / most
    return found


def _accuracy(fit, codes, test_codes, values, test_values):
    """That of a classifier; of the one value where the labels have no other."""
    if len(np.unique(values)) == 1:
        return np.mean(test_values == values[0])
    return fit(codes, values).score(test_codes, test_values)


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

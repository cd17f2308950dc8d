"""What a simple classifier can read from a representation."""

import warnings

import numpy as np

LABEL_COUNTS = (10, 100, 1000, 10_000)


def linear_probe(features, labels, num_folds=5, seed=0):
    """Cross-validated accuracy of multinomial logistic regression.

    Args:
        features: array `(N, ...)`; flattened and standardized on each training fold.
            For the scalar probe these are the code indices themselves. A scipy sparse
            matrix `(N, F)`, such as codes as zeros and ones, is taken as it is.
        labels: int `(N,)`.
        num_folds: int, stratified folds.
        seed: int, of the folds.

    Returns:
        dict: `accuracy` (mean over the folds), `accuracy_std` (over the folds) and
        `majority_accuracy` (of always naming the most frequent class).

    Raises:
        ValueError: if there is one class only with as many members as folds.

    Source: Coppock's thesis, section 4.4; Coates et al. 2011. Differs: classes with
        fewer members than folds are left out, with a warning.
    """
    return probe_with_confusion(features, labels, num_folds, seed)[0]


def probe_with_confusion(features, labels, num_folds=5, seed=0):
    """`linear_probe`, and which classes are taken for which.

    Args:
        features: as of `linear_probe`.
        labels: int `(N,)`.
        num_folds: int, stratified folds.
        seed: int, of the folds.

    Returns:
        `(figures, confusion)`: the dict of `linear_probe`, and int `(C, C)` over the C
        classes that are large enough, in the order of their labels: members of the
        class of a row that were taken for the class of a column, each by the classifier
        that did not see it.

    Raises:
        ValueError: as `linear_probe`.

    Source: Coppock's thesis, figure 4.6.
    """
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import StratifiedKFold

    rows, left_out = of_large_classes(labels, num_folds)
    if left_out:
        warnings.warn(left_out, stacklevel=2)
    features = as_matrix(features, len(labels))[rows]
    labels = np.asarray(labels)[rows]
    _, counts = np.unique(labels, return_counts=True)
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    named, scores = np.empty_like(labels), []
    for train, test in folds.split(features, labels):
        classifier = _classifier(features).fit(features[train], labels[train])
        named[test] = classifier.predict(features[test])
        scores.append(np.mean(named[test] == labels[test]))
    figures = {
        "accuracy": float(np.mean(scores)),
        "accuracy_std": float(np.std(scores)),
        "majority_accuracy": float(counts.max() / counts.sum()),
    }
    return figures, confusion_matrix(labels, named)


def label_efficiency(
    train_features,
    train_labels,
    test_features,
    test_labels,
    counts=LABEL_COUNTS,
    num_draws=5,
    seed=0,
):
    """Accuracy on test data after learning from few labels.

    Args:
        train_features: as of `linear_probe`, `(N, ...)`.
        train_labels: int `(N,)`.
        test_features: as of `linear_probe`, `(M, ...)`.
        test_labels: int `(M,)`.
        counts: numbers of labels; those above N are left out.
        num_draws: int, sets of labels drawn for each number below N.
        seed: int, of the draws.

    Returns:
        list of dicts: `labels`, `accuracy` (mean over the draws), `accuracy_std`.

    Raises:
        ValueError: if there is one class only, or fewer labels than the least count.

    Source: Locatello et al. 2019, arXiv 1811.12359, section 5.5: 10 to 10,000 labels.
        Differs: several draws of few labels; the regularization is scikit-learn's own.
    """
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    check_labels(train_labels, 1)
    train = as_matrix(train_features, len(train_labels))
    test = as_matrix(test_features, len(test_labels))
    counts = [count for count in counts if count <= len(train_labels)]
    if not counts:
        raise ValueError(f"expected at least 10 labels, received {len(train_labels)}")
    generator = np.random.default_rng(seed)
    rows = []
    for count in counts:
        scores = []
        for _ in range(num_draws if count < len(train_labels) else 1):
            drawn = generator.choice(len(train_labels), count, replace=False)
            named = _predict(train[drawn], train_labels[drawn], test)
            scores.append(np.mean(named == test_labels))
        rows.append(
            {
                "labels": count,
                "accuracy": float(np.mean(scores)),
                "accuracy_std": float(np.std(scores)),
            }
        )
    return rows


def statistical_efficiency(rows, few=100, many=10_000):
    """Accuracy from few labels over that from many.

    Args:
        rows: what `label_efficiency` gives.
        few: int, number of labels.
        many: int, number of labels.

    Returns:
        float; 1 where few labels do as well.

    Raises:
        ValueError: if a number was not measured, or nothing is read from many labels.

    Source: Locatello et al. 2019, arXiv 1811.12359, section 5.5.
    """
    accuracy = {row["labels"]: row["accuracy"] for row in rows}
    if few not in accuracy or not accuracy.get(many):
        raise ValueError(
            f"expected accuracies of {few} and {many:,} labels, received those of "
            f"{', '.join(f'{count:,}' for count in accuracy)}"
        )
    return accuracy[few] / accuracy[many]


def check_labels(labels, num_folds):
    """ValueError unless there are two classes with as many members as folds."""
    _, counts = np.unique(labels, return_counts=True)
    if np.sum(counts >= num_folds) < 2:
        raise ValueError(
            f"expected at least 2 classes with {num_folds} members or more, received "
            f"class counts {counts.tolist()}"
        )


def of_large_classes(labels, num_folds):
    """The rows of the classes with as many members as folds.

    Args:
        labels: int `(N,)`.
        num_folds: int.

    Returns:
        `(rows, left_out)`: int array, and a sentence on the classes that are too small,
        empty where there are none.

    Raises:
        ValueError: if fewer than two classes are large enough.
    """
    check_labels(labels, num_folds)
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[places] >= num_folds)
    small = int(np.sum(counts < num_folds))
    if not small:
        return rows, ""
    return rows, (
        f"Left out: {small} of {len(counts)} classes, with "
        f"{len(places) - len(rows)} of {len(places)} images, as there are {num_folds} "
        "folds and fewer images of each of these classes."
    )


def as_matrix(features, count):
    """Features as a matrix of `count` rows, float32; a sparse one as it is."""
    from scipy import sparse

    if sparse.issparse(features):
        return features.tocsr()
    return np.asarray(features, "float32").reshape(count, -1)


def _classifier(features):
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(max_iter=1000)
    if sparse.issparse(features):
        return regression
    return make_pipeline(StandardScaler(), regression)


def _predict(features, labels, test):
    """What a classifier says of test features; one that saw one class names it."""
    if len(np.unique(labels)) < 2:
        return np.full(test.shape[0], labels[0])
    return _classifier(features).fit(features, labels).predict(test)

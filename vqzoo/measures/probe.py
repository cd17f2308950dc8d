"""What a simple classifier can read from a representation."""

import warnings

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.data import check_labels, large_classes
from vqzoo.measures.findings import Skipped
from vqzoo.measures.representation import as_matrix, on_main_axes, represent

ORDER = 5
TITLE = "Linear probe"
TEXT = (
    "The accuracy of a linear classifier shows what codes tell about the class. "
    "It is a logistic regression with scikit-learn's defaults and five "
    "stratified folds over the test images. Its features are the indices of a "
    "tier as numbers (as they are, and after sorting the codes along the main "
    "axis of their codebook), one-hot indices, and code vectors. The floor is "
    "always naming the most frequent class. Below: the same classifier after "
    "learning from few labels of training images. Statistical efficiency is its "
    "accuracy from 100 labels over that from 10,000."
)
FOLDS = 5
MOST_AXES = 256  # of code vectors, the main axes of all places together
MOST_VALUES = 6e7  # of a dense matrix of features
MOST_ONES = 3e6  # of a sparse one
FEW_LABELS = ("indices", "vectors", "latents")
WORDS = {
    "indices": "indices",
    "sorted_indices": "indices, sorted afterwards",
    "one_hot": "one-hot indices",
    "vectors": "code vectors",
    "latents": "latents",
}
GLANCE = {
    "top_indices_accuracy": "probe on top indices",
    "bottom_indices_accuracy": "probe on bottom indices",
}
LABEL_COUNTS = (10, 100, 1000, 10_000)


def linear_probe(features, labels, num_folds=FOLDS, seed=0):
    """Cross-validated accuracy of multinomial logistic regression, and its confusion.

    Args:
        features: array `(N, ...)`; flattened and standardized on each training fold.
            For the scalar probe these are the code indices themselves. A scipy sparse
            matrix `(N, F)`, such as codes as zeros and ones, is taken as it is.
        labels: int `(N,)`.
        num_folds: int, stratified folds.
        seed: int, of the folds.

    Returns:
        `(metrics, confusion)`: a dict with `accuracy` (mean over the folds),
        `accuracy_std` (over the folds) and `majority_accuracy` (of always naming the
        most frequent class); and int `(C, C)` over the C classes that are large enough,
        in the order of their labels: members of the class of a row that were taken for
        the class of a column, each by the classifier that did not see it.

    Raises:
        ValueError: if there is one class only with as many members as folds.

    Source: Coppock's thesis, section 4.4 and figure 4.6; Coates et al. 2011. Differs:
        classes with fewer members than folds are left out, with a warning.
    """
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import StratifiedKFold

    rows, left_out = large_classes(labels, num_folds)
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
    metrics = {
        "accuracy": float(np.mean(scores)),
        "accuracy_std": float(np.std(scores)),
        "majority_accuracy": float(counts.max() / counts.sum()),
    }
    return metrics, confusion_matrix(labels, named)


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
        train_features: as in `linear_probe`, `(N, ...)`.
        train_labels: int `(N,)`.
        test_features: as in `linear_probe`, `(M, ...)`.
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
            chosen = generator.choice(len(train_labels), count, replace=False)
            named = _predict(train[chosen], train_labels[chosen], test)
            scores.append(np.mean(named == test_labels))
        accuracy, spread = float(np.mean(scores)), float(np.std(scores))
        rows.append({"labels": count, "accuracy": accuracy, "accuracy_std": spread})
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


@registry.named("probe")
def measure(subject, section):
    """Accuracies, confusion and label efficiency of each tier."""
    subject.need_labels()
    kept, left_out = large_classes(subject.labels, FOLDS)
    if left_out:
        section.remarks.append(left_out)
        section.add({"left_out_images": len(subject.labels) - len(kept)})
    rows, few = {}, {}
    for name, kind, features in _representations(subject):
        title = f"{name}, {WORDS[kind]}".removeprefix(", ")
        with section.attempt(title):
            train, test = features()
            kept, _ = large_classes(subject.labels[: test.shape[0]], FOLDS)
            labels = subject.labels[kept]
            accuracy, confusion = linear_probe(test[kept], labels)
            rows[title] = {**accuracy, "images": len(labels)}
            key = f"{name}_{kind}".removeprefix("_").replace(" ", "_")
            section.add(accuracy, f"{key}_")
            if kind in FEW_LABELS:
                few[title] = _few_labels(subject, section, train, test, key, title)
            if kind in ("indices", "latents"):
                names = [subject.data.class_names[n] for n in np.unique(labels)]
                _confusion(section, confusion, names, title)
    if rows:
        _table(section, rows)
    _label_curves(section, few)


def _representations(subject):
    """Tier, kind, and function that makes features of training and test images."""
    if not subject.tiers:
        pair = subject.train_codes[0], subject.codes[0]
        flat = [latents.reshape(len(latents), -1) for latents in pair]
        yield "", "latents", lambda: _on_axes(*flat)
    for tier in subject.progress(subject.tiers, "tiers"):
        for kind in ("indices", "sorted_indices", "one_hot", "vectors"):
            yield tier.name, kind, lambda t=tier, k=kind: _features(subject, t, k)


def _features(subject, tier, kind):
    """Features of training and of test images, as many as memory holds."""
    codes = [grids[tier.index] for grids in (subject.train_codes, subject.codes)]
    places = int(np.prod(codes[0].shape[1:]))
    most, options = MOST_VALUES // places, {}
    if kind == "one_hot":
        most, options = MOST_ONES // places, {"num_embeddings": tier.num_embeddings}
    elif kind == "sorted_indices":
        options = {"codebook": tier.codebook}
    elif kind == "vectors":
        options = {"codebook": on_main_axes(tier.codebook)}
        most = MOST_VALUES // (places * options["codebook"].shape[1])
    features = [represent(grids[: int(most)], kind, **options) for grids in codes]
    return _on_axes(*features) if kind == "vectors" else features


def _on_axes(train, test):
    """Features on the main axes of the training images, where there are many."""
    from sklearn.decomposition import PCA

    if train.shape[1] <= MOST_AXES or len(train) <= MOST_AXES:
        return train, test
    axes = PCA(MOST_AXES, svd_solver="randomized", random_state=0).fit(train)
    return axes.transform(train), axes.transform(test)


def _few_labels(subject, section, train, test, key, title):
    """Rows of accuracy by number of labels and the efficiency, each None without."""
    rows = efficiency = None
    with section.attempt(f"{title} from few labels"):
        labels = subject.train_labels[: train.shape[0]]
        test_labels = subject.labels[: test.shape[0]]
        rows = label_efficiency(train, labels, test, test_labels)
        section.add({f"{key}_{r['labels']}_labels": r["accuracy"] for r in rows})
        with section.attempt(f"statistical efficiency of {title}"):
            efficiency = statistical_efficiency(rows)
            section.add({f"{key}_statistical_efficiency": efficiency})
    return rows, efficiency


def _table(section, rows):
    section.table(
        f"Accuracy, {FOLDS} folds",
        ("representation", "accuracy", "std over the folds", "floor", "images"),
        [
            (n, r["accuracy"], r["accuracy_std"], r["majority_accuracy"], r["images"])
            for n, r in rows.items()
        ],
        f"Code vectors are projected onto the main axes of their codebook, which hold "
        f"99 % of its variance, and those of all positions onto {MOST_AXES} axes at "
        "most.",
    )
    floor = next(iter(rows.values()))["majority_accuracy"]
    section.picture(
        "Accuracy of the probe",
        "Bars: standard deviation over the folds. Dashed: always naming the most "
        "frequent class.",
        lambda: plots.bars(
            {name: row["accuracy"] for name, row in rows.items()},
            "accuracy (share of test images)",
            spreads={name: row["accuracy_std"] for name, row in rows.items()},
            mark=("the most frequent class", floor),
        ),
    )


def _confusion(section, confusion, names, title):
    shares = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    section.picture(
        f"Which class is taken for which: {title}",
        "Each row is a class and sums to 100 %. A probe that reads nothing gives "
        "every class the same column; a perfect probe is dark on the diagonal.",
        lambda: plots.heat_map(
            shares,
            names,
            names,
            rows="class",
            columns="class that the probe gives",
            key="share of the class (%)",
            limits=(0.0, float(shares.max())),
            form=".0f",
        ),
    )


def _label_curves(section, few):
    few = {name: pair for name, pair in few.items() if pair[0]}
    if not few:
        raise Skipped("no representation has enough labels")
    series, spreads, table = {}, {}, []
    counts = sorted({row["labels"] for rows, _ in few.values() for row in rows})
    has_efficiency = any(efficiency for _, efficiency in few.values())
    for name, (rows, efficiency) in few.items():
        series[name] = [r["labels"] for r in rows], [r["accuracy"] for r in rows]
        spreads[name] = [row["accuracy_std"] for row in rows]
        accuracies = dict(zip(*series[name]))
        cells = [accuracies.get(count, "-") for count in counts]
        table.append((name, *cells, *[efficiency or "-"] * has_efficiency))
    titles = [f"{count:,} labels" for count in counts]
    titles += ["statistical efficiency"] * has_efficiency
    section.table("Accuracy from few labels", ("representation", *titles), table)
    section.picture(
        "Accuracy from few labels",
        "Mean over five random sets of labels; bars: standard deviation.",
        lambda: plots.curves(
            series, "labels", "accuracy on test images", log_x=True, spreads=spreads
        ),
    )

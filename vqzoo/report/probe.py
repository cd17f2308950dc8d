"""The section on what a simple classifier reads from codes."""

import numpy as np

from vqzoo import plots
from vqzoo.measures import probe
from vqzoo.measures.representation import on_main_axes, represent
from vqzoo.report.document import Skipped

TEXT = (
    "Logistic regression with scikit-learn's own settings, five stratified folds over "
    "the test images, on the indices of a tier as numbers (as they are, and after its "
    "codes were sorted along the main axis of their codebook), as zeros and ones, and "
    "on its code vectors. Always naming the most frequent class is the floor. Below: "
    "the same classifier after learning from few labels of training images, and "
    "statistical efficiency, its accuracy from 100 labels over that from 10,000."
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


def fill(subject, section):
    """Accuracies, confusion and label efficiency of each tier."""
    subject.need_labels()
    kept, left_out = probe.of_large_classes(subject.labels, FOLDS)
    if left_out:
        section.remarks.append(left_out)
        section.add({"left_out_images": len(subject.labels) - len(kept)})
    rows, few = {}, {}
    for name, kind, features in _representations(subject):
        title = f"{name}, {WORDS[kind]}".removeprefix(", ")
        with section.attempt(title):
            train, test = features()
            kept, _ = probe.of_large_classes(subject.labels[: test.shape[0]], FOLDS)
            labels = subject.labels[kept]
            found, confusion = probe.probe_with_confusion(test[kept], labels, FOLDS)
            rows[title] = {**found, "images": len(labels)}
            key = f"{name}_{kind}".removeprefix("_").replace(" ", "_")
            section.add(found, f"{key}_")
            if kind in FEW_LABELS:
                few[title] = _few_labels(subject, section, train, test, key, title)
            if kind in ("indices", "latents"):
                names = [subject.data.class_names[n] for n in np.unique(labels)]
                _confusion(section, confusion, names, title)
    if rows:
        _table(section, rows)
    _label_curves(section, {name: each for name, each in few.items() if each})


def _representations(subject):
    """Tier, kind, and function that makes features of training and test images."""
    if not subject.tiers:
        yield "", "latents", lambda: _latents(subject)
    for tier in subject.progress(subject.tiers, "tiers"):
        for kind in ("indices", "sorted_indices", "one_hot", "vectors"):
            yield tier.name, kind, lambda t=tier, k=kind: _features(subject, t, k)


def _latents(subject):
    pair = (subject.train_codes, subject.codes)
    return _on_axes(*(c[0].reshape(len(c[0]), -1) for c in pair))


def _features(subject, tier, kind):
    codes = [each[tier.index] for each in (subject.train_codes, subject.codes)]
    places = int(np.prod(codes[0].shape[1:]))
    options = {"num_embeddings": tier.num_embeddings}
    if kind == "one_hot":
        count = int(MOST_ONES // places)
        return [represent(each[:count], kind, **options) for each in codes]
    if kind in ("indices", "sorted_indices"):
        count = int(MOST_VALUES // places)
        options = {} if kind == "indices" else {"codebook": tier.codebook}
        return [represent(each[:count], kind, **options) for each in codes]
    book = on_main_axes(tier.codebook)
    count = int(MOST_VALUES // (places * book.shape[1]))
    return _on_axes(*(represent(each[:count], kind, codebook=book) for each in codes))


def _on_axes(train, test):
    """Features on the main axes of the training images, where there are many."""
    from sklearn.decomposition import PCA

    if train.shape[1] <= MOST_AXES or len(train) <= MOST_AXES:
        return train, test
    axes = PCA(MOST_AXES, svd_solver="randomized", random_state=0).fit(train)
    return axes.transform(train), axes.transform(test)


def _few_labels(subject, section, train, test, key, title):
    """Rows of accuracy by number of labels; none where there are too few."""
    with section.attempt(f"{title} from few labels"):
        labels = subject.train_labels[: train.shape[0]]
        test_labels = subject.labels[: test.shape[0]]
        rows = probe.label_efficiency(train, labels, test, test_labels)
        section.add({f"{key}_{r['labels']}_labels": r["accuracy"] for r in rows})
        with section.attempt(f"statistical efficiency of {title}"):
            efficiency = probe.statistical_efficiency(rows)
            section.add({f"{key}_statistical_efficiency": efficiency})
            rows = [*rows, {"efficiency": efficiency}]
        return rows
    return []


def _table(section, rows):
    section.table(
        f"Accuracy, {FOLDS} folds",
        ("representation", "accuracy", "over the folds (std)", "floor", "images"),
        [
            (n, r["accuracy"], r["accuracy_std"], r["majority_accuracy"], r["images"])
            for n, r in rows.items()
        ],
        f"Code vectors are on their codebook's main axes, which hold 99 % of its "
        f"variance, and those of all places together on at most {MOST_AXES} more.",
    )
    floor = next(iter(rows.values()))["majority_accuracy"]
    section.picture(
        "Accuracy of the probe",
        "Bars: spread over the folds. Dashed: always the most frequent class.",
        plots.bars(
            {name: row["accuracy"] for name, row in rows.items()},
            "share of test images named rightly",
            spreads={name: row["accuracy_std"] for name, row in rows.items()},
            mark=("the most frequent class", floor),
        ),
    )


def _confusion(section, confusion, names, title):
    shares = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    section.picture(
        f"Which class is taken for which: {title}",
        "Each row is a class and sums to 100 %; a probe that reads nothing names one "
        "column for all of them, one that reads all is dark on the diagonal.",
        plots.heat_map(
            shares,
            names,
            names,
            rows="class",
            columns="named by the probe",
            key="share of the class (%)",
            limits=(0.0, float(shares.max())),
            form=".0f",
        ),
    )


def _label_curves(section, few):
    if not few:
        raise Skipped("no representation has enough labels")
    series, spreads, table = {}, {}, []
    measured = any("efficiency" in row for rows in few.values() for row in rows)
    counts = sorted(
        {r["labels"] for rows in few.values() for r in rows if "labels" in r}
    )
    for name, rows in few.items():
        curve = [row for row in rows if "labels" in row]
        efficiency = [row["efficiency"] for row in rows if "efficiency" in row]
        series[name] = [r["labels"] for r in curve], [r["accuracy"] for r in curve]
        spreads[name] = [row["accuracy_std"] for row in curve]
        accuracies = dict(zip(*series[name]))
        cells = [accuracies.get(count, "-") for count in counts]
        table.append((name, *cells, *(efficiency or ["-"] * measured)))
    titles = [f"{count:,} labels" for count in counts]
    section.table(
        "Accuracy from few labels",
        ("representation", *titles, *(["statistical efficiency"] if measured else [])),
        table,
    )
    section.picture(
        "Accuracy from few labels",
        "Mean over five draws of labels; bars: their spread.",
        plots.curves(
            series, "labels", "accuracy on test images", log_x=True, spreads=spreads
        ),
    )

"""How well classifiers that learn from generated images name real ones."""

import numpy as np

from vqzoo import registry
from vqzoo.measures import judge
from vqzoo.measures.findings import Skipped

ORDER = 13
TITLE = "Classification accuracy score"
TEXT = (
    "Classifiers learn from real training images, from their reconstructions "
    "and from samples, in the same number of steps. Their accuracy on real test "
    "images shows how much of the classes the images carry: compare it with "
    "the row of real images."
)


def classification_accuracy_score(
    training_sets, test_images, test_labels, num_classes, **options
):
    """How well classifiers of generated images name real ones.

    Args:
        training_sets: dict from a name, such as `"real"` or `"samples"`, to
            `(images, labels)`; a classifier learns from each, in equally many steps.
        test_images: float `(M, H, W, C)`, real images that no model has seen.
        test_labels: int `(M,)`.
        num_classes: int.
        **options: of `fit_classifier`.

    Returns:
        dict: for each name `<name>_top1`, and `<name>_top5` where there are more than
        five classes: shares of the real test images.

    Raises:
        ValueError: as `fit_classifier`.

    Source: Ravuri and Vinyals 2019, arXiv 1905.10887. Differs: a small network.
    """
    scores = {}
    for name, (images, labels) in training_sets.items():
        classifier = judge.fit_classifier(images, labels, num_classes, **options)
        for top in (1, 5):
            if top == 1 or num_classes > top:
                accuracy = classifier.accuracy(test_images, test_labels, top)
                scores[f"{name}_top{top}"] = accuracy
    return scores


@registry.named("classification_accuracy_score")
def measure(subject, section):
    """The scores of samples, of reconstructions and of real images."""
    if not subject.options.get("retrain"):
        raise Skipped("it trains classifiers, which takes long: add --retrain")
    subject.need_labels()
    images, labels = subject.train_images, subject.train_labels
    sets = {
        "real": (images, labels),
        "reconstructions": (subject.reconstruct(images), labels),
    }
    with section.attempt("samples"):
        sets["samples"] = _labeled_samples(subject)
    rows, real = [], 0.0
    for name, labeled in subject.progress(sets.items(), "classifiers"):
        with section.attempt(name):
            scores = classification_accuracy_score(
                {name: labeled},
                subject.images,
                subject.labels,
                len(subject.data.class_names),
                steps=subject.sizes.retrain_steps,
            )
            section.add(scores)
            top1, *top5 = scores.values()
            real = top1 if name == "real" else real
            share = top1 / real if real else "-"
            if real:
                section.add({f"{name}_of_real": share})
            rows.append((name, len(labeled[0]), top1, *top5, share))
    if rows:
        top5 = ("top-5",) * (len(rows[0]) - 4)
        section.table(
            f"Share of {len(subject.images):,} real test images classified correctly",
            ("learned from", "images", "top-1", *top5, "top-1 over that of real data"),
            rows,
            f"{subject.sizes.retrain_steps:,} steps each.",
        )


def _labeled_samples(subject):
    labels = subject.samples.labels
    if labels is None:
        raise Skipped("the samples have no classes")
    if tuple(subject.pipeline.class_names) != tuple(subject.data.class_names):
        raise Skipped("the classes of the priors are not those of the data")
    return np.clip(subject.samples.images, -0.5, 0.5), labels

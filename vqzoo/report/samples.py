"""The section on images that are drawn."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import neighbors
from vqzoo.report.document import Skipped

TEXT = (
    "Images drawn from the priors; how different they are from each other, beside "
    "training images; and how much nearer to training images they are than "
    "reconstructions of held-out ones: near 0 for copies, about 1 for images as new "
    "as held-out ones."
)
GRID = 64
SHOWN = 7


def fill(subject, section):
    """Pictures, diversity and memorization."""
    samples = np.clip(subject.samples.images, -0.5, 0.5)
    section.picture(
        "Samples",
        f"The first {min(GRID, len(samples))} of {len(samples):,}, not chosen.",
        plots.image_grid(samples[:GRID], ""),
        width=4.8,
    )
    real = subject.train_images
    diversity = measures.diversity(samples) / measures.diversity(real)
    section.add({"diversity": diversity})
    if subject.drawn is not None and subject.samples.log_prob is not None:
        bits = -subject.samples.log_prob / np.log(2)
        if np.isfinite(bits).all():
            section.add({"bits_per_sample": float(bits.mean())})
    rows = [("mean distance of two samples, over that of two real images", diversity)]
    with section.attempt("memorization"):
        rows += _memorization(subject, section, samples)
    section.table("New or copied", ("what", "value"), rows)
    _neighbors(subject, section, samples[:SHOWN])


def _memorization(subject, section, samples):
    train = subject.train_features
    held_out = subject.rebuilt_features[: len(samples)]
    found = neighbors.memorization(subject.sample_features, train, held_out)
    section.add(found, "nearest_training_image_")
    name = subject.features_name
    return [
        (f"median distance to the nearest training image, {name}", found["samples"]),
        ("the same of reconstructed held-out images", found["held_out"]),
        ("the one over the other", found["ratio"]),
    ]


def _neighbors(subject, section, samples):
    _, by_features = neighbors.nearest(
        subject.sample_features[:SHOWN], subject.train_features
    )
    _, by_pixels = neighbors.nearest(samples, subject.train_images)
    section.picture(
        "Samples and the training images nearest to them",
        f"Nearest in the features of the {subject.features_name}, and by pixels, of "
        f"{len(subject.train_images):,} training images.",
        plots.strips(
            {
                "sample": samples,
                "nearest": subject.train_images[by_features],
                "nearest\nby pixels": subject.train_images[by_pixels],
            }
        ),
    )


def fill_accuracy_score(subject, section):
    """The classification accuracy score of samples and of reconstructions."""
    from vqzoo.measures.classifier import classification_accuracy_score

    if not subject.options.get("retrain"):
        raise Skipped("it trains classifiers, for long: --retrain")
    subject.need_labels()
    sets = {"real": (subject.train_images, subject.train_labels)}
    sets["reconstructions"] = (
        subject.reconstruct(subject.train_images),
        subject.train_labels,
    )
    with section.attempt("samples"):
        sets["samples"] = _labeled_samples(subject)
    found = {}
    for name, one in subject.progress(sets.items(), "classifiers"):
        with section.attempt(name):
            found |= classification_accuracy_score(
                {name: one},
                subject.images,
                subject.labels,
                len(subject.data.class_names),
                steps=subject.sizes.retrain_steps,
            )
    section.add(found)
    header = ["learned from", "images", "top-1"]
    header += ["top-5"] if any(name.endswith("_top5") for name in found) else []
    rows = []
    for name, (images, _) in sets.items():
        scores = [found[f"{name}_top{n}"] for n in (1, 5) if f"{name}_top{n}" in found]
        if scores:
            share = _of_real(section, name, found)
            rows.append((name, len(images), *scores, share))
    if rows:
        section.table(
            f"Share of {len(subject.images):,} real test images named rightly",
            (*header, "top-1 over that of real data"),
            rows,
            f"{subject.sizes.retrain_steps:,} steps each.",
        )


def _of_real(section, name, found):
    """A score over that of real data, kept; a dash where that has none."""
    if not found.get("real_top1"):
        return "-"
    share = found[f"{name}_top1"] / found["real_top1"]
    section.add({f"{name}_of_real": share})
    return share


def _labeled_samples(subject):
    labels = subject.samples.labels
    if labels is None:
        raise Skipped("the samples have no classes")
    if tuple(subject.drawn.class_names) != tuple(subject.data.class_names):
        raise Skipped("the priors know other classes than the data has")
    return np.clip(subject.samples.images, -0.5, 0.5), labels

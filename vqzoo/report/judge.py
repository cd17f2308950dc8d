"""The section on the classifier that judges images."""

import numpy as np

from vqzoo.measures import classifier

TEXT = (
    "A small residual network, trained here on the real training images for a fixed "
    "number of steps, without a download. Its opinions say whether changed images "
    "keep their class, and its features compare sets of images (FD-resnet). Its "
    "accuracy says how far to trust it."
)


def fill(subject, section):
    """Trains the judge and says how good it is."""
    judge, labels = subject.judge, subject.labels
    found = {"top1": judge.accuracy(subject.images, labels)}
    if len(subject.data.class_names) > 5:
        found["top5"] = judge.accuracy(subject.images, labels, top=5)
    counts = np.bincount(labels)
    found["majority"] = float(counts.max() / counts.sum())
    section.add(found)
    section.table(
        f"Accuracy on {len(labels):,} real test images",
        ("what", "share"),
        [
            ("the judge", found["top1"]),
            *([("among its first five", found["top5"])] if "top5" in found else []),
            ("always the most frequent class", found["majority"]),
        ],
        f"{subject.sizes.judge_steps:,} steps of 64 images of "
        f"{len(subject.data.train_images):,}; {classifier.FILTERS} channels.",
    )

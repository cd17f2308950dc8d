"""Images that priors draw: how different they are, and whether they are copies."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures import distances
from vqzoo.measures.distances import diversity, memorization, nearest

ORDER = 12
TITLE = "Samples"
TEXT = (
    "Images drawn from the priors. Diversity compares how different they are "
    "from each other with how different training images are. The last ratio "
    "compares how near they are to training images with how near "
    "reconstructions of held-out images are: near 0 for copies, about 1 for "
    "images as new as held-out ones."
)
GRID = 64
SHOWN = 7
CLASSES = 10  # whose samples stand beside real images


@registry.named("samples")
def measure(subject, section):
    """Pictures, diversity and memorization."""
    samples = np.clip(subject.samples.images, -0.5, 0.5)
    section.picture(
        "Samples",
        f"The first {min(GRID, len(samples))} of {len(samples):,}, not chosen.",
        lambda: plots.image_grid(samples[:GRID], ""),
        width=4.8,
    )
    with section.attempt("samples beside real images"):
        _beside_real(subject, section, samples)
    relative = diversity(samples) / diversity(subject.train_images)
    section.add({"diversity": relative})
    count = min(len(samples), len(subject.train_images))
    apart = distances.nearest_other(samples[:count])
    apart /= distances.nearest_other(subject.train_images[:count])
    section.add({"nearest_sample": apart})
    bits = -subject.samples.log_prob / np.log(2)
    if np.isfinite(bits).all():
        section.add({"bits_per_sample": float(bits.mean())})
    rows = [
        ("mean distance of two samples, over that of two real images", relative),
        ("mean distance to the nearest other sample, over that of real images", apart),
    ]
    with section.attempt("memorization"):
        rows += _memorization(subject, section, len(samples))
    section.table("New images or copies", ("what", "value"), rows)
    section.picture(
        "Samples and the training images nearest to them",
        f"Nearest in the features of the {subject.features_name}, and by pixels, of "
        f"{len(subject.train_images):,} training images.",
        lambda: _neighbors(subject, samples[:SHOWN]),
    )


def _beside_real(subject, section, samples):
    """A picture of samples and real test images of the same classes, by turns."""
    labels = subject.samples.labels
    rows, count = {}, min(SHOWN, len(samples))
    if labels is None or subject.labels is None:
        rows["samples"], rows["real"] = samples[:count], subject.images[:count]
    else:
        for label in np.unique(labels)[:CLASSES]:
            name = subject.data.class_names[label]
            rows[f"{name}, samples"] = samples[labels == label][:count]
            real = subject.images[subject.labels == label][:count]
            if len(real):
                rows[f"{name}, real"] = real
    section.picture(
        "Samples beside real images",
        "The first of each class, not chosen; real ones are of the test split.",
        lambda: plots.strips(rows, columns=count),
    )


def _memorization(subject, section, count):
    """Rows of distances to the nearest training images."""
    numbers = memorization(
        subject.sample_features,
        subject.train_features,
        subject.rebuilt_features[:count],
    )
    section.add(numbers, "nearest_training_image_")
    name = subject.features_name
    return [
        (f"median distance to the nearest training image, {name}", numbers["samples"]),
        ("the same of reconstructed held-out images", numbers["held_out"]),
        ("ratio of the two", numbers["ratio"]),
    ]


def _neighbors(subject, samples):
    train = subject.train_images
    _, by_features = nearest(subject.sample_features[:SHOWN], subject.train_features)
    _, by_pixels = nearest(samples, train)
    return plots.strips(
        {
            "sample": samples,
            "nearest": train[by_features],
            "nearest\nby pixels": train[by_pixels],
        }
    )

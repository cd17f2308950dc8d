"""What single units of a vector of latents draw: its filters."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches

ORDER = 6.5
TITLE = "Filters of single units"
TEXT = (
    "What one unit adds to an image: the image of that unit alone, at the mean "
    "of its active values, minus the image without any unit. Area is the share "
    "of the image that a filter changes: small for a stroke, large for a whole "
    "object. A unit is in use if it is active in at least one test image."
)
SHOWN = 48


def filters(decode, latents):
    """What each unit adds to an image, those first that are active most often.

    Args:
        decode: function from a tuple of one array `(B, D)` to images.
        latents: float `(N, D)`, of images; 0 where a unit is not active.

    Returns:
        Float `(U, H, W, C)`: the differences of U units, which are active anywhere.
    """
    active = latents != 0
    counts = active.sum(axis=0)
    units = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    means = latents.sum(axis=0)[units] / counts[units]
    alone = np.zeros((len(units) + 1, latents.shape[1]), "float32")
    alone[np.arange(len(units)), units] = means
    images = in_batches(decode, (alone,))
    return images[:-1] - images[-1:]


def areas(filters):
    """Share of the image that each filter changes, as if evenly: float `(U,)`.

    The participation ratio of the squares: 1 where all pixels change alike, 1 / P where
    one of P does; 0 of a filter that changes nothing.

    Args:
        filters: float `(U, H, W, C)`.
    """
    energy = np.sum(np.square(filters, dtype="float64"), axis=-1)
    energy = energy.reshape(len(filters), -1)
    squares = np.maximum(np.sum(energy**2, axis=1), 1e-300)
    return np.sum(energy, axis=1) ** 2 / (energy.shape[1] * squares)


def shown(filters, count=SHOWN):
    """The first filters as images in [-0.5, 0.5], each as strong as it can be."""
    few = filters[:count]
    most = np.abs(few).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 * few / np.maximum(most, 1e-12)


@registry.named("filters")
def measure(subject, section):
    """Units in use, the area of their filters, and how they look."""
    latents, *others = subject.codes
    if subject.tiers or others or latents.ndim != 2:
        raise Skipped("the latents of the model are not a single vector")
    drawn = filters(subject.decode, latents)
    numbers = {
        "active_units": float(np.count_nonzero(latents) / len(latents)),
        "units_in_use": len(drawn),
        "area": float(np.median(areas(drawn))),
    }
    section.add(numbers)
    words = (
        "units that are active for an image, mean",
        f"of {latents.shape[1]} units in use",
        "share of the image that a filter changes, median",
    )
    section.table("Units", ("what", "value"), list(zip(words, numbers.values())))
    section.picture(
        "Filters",
        f"Of the {min(SHOWN, len(drawn))} units that are active most often, each as "
        "strong as it can be drawn.",
        lambda: plots.image_grid(shown(drawn), "", columns=12),
        width=4.8,
    )

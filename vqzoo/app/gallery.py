"""The images that the page offers: photographs of packages, or of a data set."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from vqzoo import datasets
from vqzoo.app import uploads
from vqzoo.datasets import photos

NUM_SAMPLES = 24
FIRST = ("astronaut", "cat")  # of the photographs: their codes show something
NUM_COUNTED = 512  # images whose codes are counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gallery:
    """Images to choose from, and those whose codes are counted.

    Args:
        samples: dict from a name to an image, float32 `(H, W, C)` in [-0.5, 0.5].
        counted: function without arguments that returns `(images, words)`: float32
            `(N, H, W, C)`, and a phrase that describes them.
    """

    samples: dict
    counted: Callable


def load(image_shape, dataset="photos", data_dir=None, classes=(), **reading):
    """Images of a model's shape.

    Args:
        image_shape: `(height, width, channels)`.
        dataset: str, of `datasets.load`.
        data_dir: path, of `datasets.load`.
        classes: sequence of str, of `datasets.load`.
        **reading: `datasets.READING`, of `datasets.load`.

    Returns:
        `Gallery`: whole photographs, or test images of another data set.

    Raises:
        ValueError: if the data do not fit the model.
        FileNotFoundError: if the data are missing.
    """
    if dataset != "photos":
        return _test_images(image_shape, dataset, data_dir, classes, reading)
    found = photos.photographs()
    names = sorted(found, key=lambda name: name not in FIRST)  # the others as they are
    samples = {name: uploads.to_shape(found[name], image_shape) for name in names}
    return Gallery(
        samples=samples, counted=functools.partial(_crops, image_shape, samples)
    )


def _crops(image_shape, samples):
    """Crops of the photographs, or whole ones if no crop of that size fits."""
    height, width, channels = image_shape
    if height == width:
        with contextlib.suppress(ValueError):
            crops, _ = photos.load_photos(height, channels).test.arrays(NUM_COUNTED)
            return crops, f"{len(crops)} crops of photographs"
    return np.stack(list(samples.values())), f"{len(samples)} photographs"


def _test_images(image_shape, dataset, data_dir, classes, reading):
    height, width, channels = image_shape
    if height != width:
        raise ValueError(
            f"expected --dataset=photos for images that are not square, received "
            f"--dataset={dataset} for {height} x {width}"
        )
    splits = datasets.load(
        dataset,
        data_dir=data_dir,
        classes=classes,
        image_size=height,
        channels=channels,
        **reading,
    )
    images, labels = splits.test.arrays(NUM_COUNTED)
    names = [f"test image {i}" for i in range(len(images))]
    if labels is not None and splits.class_names:
        names = [f"{splits.class_names[y]} {i}" for i, y in enumerate(labels)]
    step = max(1, len(images) // NUM_SAMPLES)
    chosen = range(0, len(images), step)[:NUM_SAMPLES]
    words = f"{len(images)} test images of {dataset}"
    return Gallery(
        samples={names[i]: images[i] for i in chosen}, counted=lambda: (images, words)
    )

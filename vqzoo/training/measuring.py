"""What the measurement of a model takes: images in its shape, sizes and options."""

import dataclasses

import numpy as np

from vqzoo import datasets, report
from vqzoo.datasets import sprites

MOST_BYTES = 2e9  # of test images in memory, unless more are asked for


def load(model, dataset, data_dir="", image_size=0):
    """A data set in the shape of a model's images.

    Args:
        model: a model of vqzoo.models.
        dataset: str, a name that `datasets.load` knows.
        data_dir: str, folder or archive of the data, where it needs one.
        image_size: int, side of the images; 0: the model's own.

    Returns:
        `datasets.Splits`.

    Raises:
        ValueError: if the data cannot be had, or not in that shape.
    """
    shape = tuple(model.image_shape)
    splits = datasets.load(
        dataset,
        image_size=image_size or shape[0],
        data_dir=data_dir or None,
        channels=shape[2],
    )
    if tuple(splits.image_shape) != shape:
        raise ValueError(
            f"expected images of {shape} for the model, received "
            f"{tuple(splits.image_shape)} from --dataset={dataset}"
        )
    return splits


def sizes(model, quick=False):
    """How much of the data is measured: `report.Sizes` for the model's images.

    Args:
        model: a model of vqzoo.models.
        quick: bool: a first look.
    """
    found = report.QUICK if quick else report.Sizes()
    most = int(MOST_BYTES // (4 * np.prod(model.image_shape)))
    return dataclasses.replace(found, images=max(1, min(found.images, most)))


def options(model, *, quick=False, representation="indices", factors=""):
    """Options of `report.Subject` that come of flags.

    Args:
        model: a model of vqzoo.models.
        quick: bool: a first look.
        representation: str, of grids of codes in measures of disentanglement.
        factors: `"sprites"`, for images with known factors in the model's size, or
            empty.

    Raises:
        ValueError: if there are no such images of the model's shape.
    """
    found = {"quick": quick, "representation": representation}
    if factors:
        found["factors"] = sprites.sample_factors, _sprites_of(model)
    return found


def _sprites_of(model):
    """Function from factors to sprites, a channel each, of a model's height."""
    height, width, _ = model.image_shape
    if height != width:
        raise ValueError(
            f"expected a model of square images for --factors=sprites, received one "
            f"of {height} x {width}"
        )
    return lambda factors: sprites.images(factors, height)

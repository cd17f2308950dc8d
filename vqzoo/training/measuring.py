"""What the measurement of a model takes: images in its shape, sizes and options."""

import dataclasses

import numpy as np

from vqzoo import report
from vqzoo.datasets import factors
from vqzoo.training import fitting

MOST_BYTES = 2e9  # of test images in memory, unless more are asked for


def load(model, settings, image_size=0):
    """A data set in the shape of a model's images.

    Args:
        model: a model of vqzoo.models.
        settings: a recipe or flags, with `dataset`, `data_dir` and `classes`.
        image_size: int, side of the images; 0: the model's own.

    Returns:
        `datasets.Splits`.

    Raises:
        FileNotFoundError: if the data are missing.
        ValueError: if they cannot be had in that shape, or with those classes.
    """
    shape = tuple(model.image_shape)
    splits = fitting.load_data(settings, image_size or shape[0], channels=shape[2])
    if tuple(splits.image_shape) != shape:
        raise ValueError(
            f"expected images of {shape} for the model, received "
            f"{tuple(splits.image_shape)} from --dataset={settings.dataset}"
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


def options(model, settings, factors_of=""):
    """Options of `report.Subject` that come of settings.

    Args:
        model: a model of vqzoo.models.
        settings: a recipe or flags, with `dataset`, `data_dir`, `quick` and
            `representation`, that of grids of codes in measures of disentanglement.
        factors_of: one of `datasets.factors.NAMES`, for images with known factors in
            the model's shape, or empty.

    Raises:
        FileNotFoundError: if the images with known factors cannot be had.
        ValueError: if there are none of the model's shape.
    """
    found = {name: getattr(settings, name) for name in ("quick", "representation")}
    if factors_of:
        # An archive of images is not where tensorflow-datasets keeps its data.
        data_dir = "" if settings.dataset == "folder" else settings.data_dir
        shape = tuple(model.image_shape)
        found["factors"] = factors.load(factors_of, shape, data_dir or None)
    return found

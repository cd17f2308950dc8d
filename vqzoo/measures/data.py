"""What is measured of a data set, and how much: images that fit a model and memory."""

import dataclasses
from typing import Any

import numpy as np

from vqzoo import datasets
from vqzoo.datasets import columns, factors
from vqzoo.registry import lazily

signals = lazily("vqzoo.datasets.signals")
vectors = lazily("vqzoo.datasets.vectors")

MOST_BYTES = 2e9  # of test images in memory, unless more are asked for
MOST_TRAINING_BYTES = 400e6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured; `quick` is a first look.

    Args:
        images: int, test images of what takes all of them.
        train_images: int, training images that are encoded.
        some: int, test images of what decodes several times, and of all rates: those
            of codes, of priors and of image formats are of the same images.
        few: int, test images of what decodes many times.
        pairs: int, pairs of images that are interpolated.
        points: int, images on the map of neighbors.
        compared: int, features whose neighbors are compared, of each set.
        judge_images: int, training images that the judge learns from.
        judge_steps: int, of the classifier that judges images.
        retrain_steps: int, of each classifier of the classification accuracy score.
        samples: int, images drawn from priors.
        factor_images: int, images with known factors that metrics are tested on; they
            learn from twice as many.
        train_bytes: float, of training images in memory, at most.
    """

    images: int = 10_000
    train_images: int = 10_000
    some: int = 1000
    few: int = 200
    pairs: int = 64
    points: int = 1500
    compared: int = 4000
    judge_images: int = 30_000
    judge_steps: int = 400
    retrain_steps: int = 2000
    samples: int = 1000
    factor_images: int = 5000
    train_bytes: float = MOST_TRAINING_BYTES


QUICK = Sizes(
    images=1000,
    train_images=1000,
    some=128,
    few=32,
    pairs=16,
    points=300,
    compared=500,
    judge_images=1000,
    judge_steps=60,
    retrain_steps=60,
    samples=64,
    factor_images=500,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Images of one data set, in random order.

    Args:
        name: str.
        images: float32 `(N, H, W, C)` in [-0.5, 0.5], of the test split.
        labels: int `(N,)`, or None.
        train_images: float32 `(M, H, W, C)`, of the training split.
        train_labels: int `(M,)`, or None.
        class_names: sequence of str in label order; empty without labels.
        fingerprint: str, of the whole data set.
        num_test: int, images of the whole test split, where that is known.
        num_train: int, of the whole training split.
        table: all items with their keys, of data that have them, or None.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    train_images: np.ndarray
    train_labels: np.ndarray | None
    class_names: tuple[str, ...] = ()
    fingerprint: str = ""
    num_test: int = 0
    num_train: int = 0
    table: Any = None

    @classmethod
    def of(cls, splits, sizes, seed=0):
        """Random test and training images of a data set, as many as are measured.

        Args:
            splits: `datasets.Splits`.
            sizes: `Sizes`.
            seed: int, of the choice.
        """
        images, labels = _some(splits.test, sizes.images, seed)
        most = int(sizes.train_bytes // (4 * np.prod(splits.image_shape)))
        most = max(1, min(most, max(sizes.train_images, sizes.judge_images)))
        train_images, train_labels = _some(splits.train, most, seed)
        return cls(
            name=splits.name,
            images=images,
            labels=labels,
            train_images=train_images,
            train_labels=train_labels,
            class_names=tuple(splits.class_names),
            fingerprint=splits.fingerprint,
            num_test=splits.test.size,
            num_train=splits.train.size,
            table=splits.table,
        )


def _some(split, count, seed):
    """Images and labels of a split in random order: its own may be by class."""
    images, labels, num_images = [], [], 0
    for batch in split.batches(256, seed=seed).as_numpy_iterator():
        images.append(batch[split.item])
        labels.append(batch.get("label"))
        num_images += len(images[-1])
        if num_images >= count:
            break
    images = np.concatenate(images)[:count]
    return images, None if labels[0] is None else np.concatenate(labels)[:count]


def load_splits(model, settings, image_size=0):
    """A data set in the shape of a model's images.

    Args:
        model: a model of vqzoo.models.
        settings: a recipe or flags, with `dataset` and all of `datasets.options_of`.
        image_size: int, side of the images; 0: the model's own.

    Returns:
        `datasets.Splits`.

    Raises:
        FileNotFoundError: if the data are missing.
        ValueError: if they cannot be had in that shape, or with those classes.
    """
    shape = tuple(model.item_shape)
    if model.item == "vector":
        splits = vectors.load_vectors(settings.dataset, **columns.options_of(settings))
    elif model.item == "sequence":
        splits = signals.load_signals(settings.dataset, data_dir=settings.data_dir)
    else:
        splits = datasets.load(
            settings.dataset,
            image_size=image_size or shape[0],
            channels=shape[2],
            **datasets.options_of(settings),
        )
    pairs = zip(splits.image_shape, shape)
    if len(splits.image_shape) != len(shape) or any(
        side not in (None, given) for given, side in pairs
    ):
        raise ValueError(
            f"expected {model.item}s of {shape} for the model, received "
            f"{tuple(splits.image_shape)} from --dataset={settings.dataset}"
        )
    return splits


def sizes_of(model, quick=False):
    """How much of the data is measured: `Sizes` for the model's images.

    Args:
        model: a model of vqzoo.models.
        quick: bool: a first look.
    """
    chosen = QUICK if quick else Sizes()
    # Of items with a side that may be any, the others say how much they take at least.
    most = int(MOST_BYTES // (4 * np.prod([side or 1 for side in model.item_shape])))
    return dataclasses.replace(chosen, images=max(1, min(chosen.images, most)))


def options(model, settings, factors_of=""):
    """Options of a `Subject` that come of settings.

    Args:
        model: a model of vqzoo.models.
        settings: a recipe or flags, with `dataset`, `data_dir`, `quick` and
            `representation`, that of grids of codes in measures of disentanglement.
        factors_of: one of `datasets.WITH_FACTORS`, for images with known factors in
            the model's shape, or empty.

    Raises:
        FileNotFoundError: if the images with known factors cannot be had.
        ValueError: if there are none of the model's shape.
    """
    chosen = {name: getattr(settings, name) for name in ("quick", "representation")}
    if factors_of:
        # An archive of images is not where tensorflow-datasets keeps its data.
        data_dir = "" if settings.dataset == "folder" else settings.data_dir
        shape = tuple(model.image_shape)
        chosen["factors"] = factors.load(factors_of, shape, data_dir or None)
    return chosen


def check_labels(labels, num_folds):
    """ValueError unless there are two classes with as many members as folds."""
    _, counts = np.unique(labels, return_counts=True)
    if np.sum(counts >= num_folds) < 2:
        raise ValueError(
            f"expected at least 2 classes with {num_folds} members or more, received "
            f"class counts {counts.tolist()}"
        )


def large_classes(labels, num_folds):
    """The rows of the classes with as many members as folds.

    Args:
        labels: int `(N,)`.
        num_folds: int.

    Returns:
        `(rows, left_out)`: int array, and a sentence on the classes that are too small,
        empty where there are none.

    Raises:
        ValueError: if fewer than two classes are large enough.
    """
    check_labels(labels, num_folds)
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[places] >= num_folds)
    small = int(np.sum(counts < num_folds))
    if not small:
        return rows, ""
    return rows, (
        f"Left out: {small} of {len(counts)} classes, with "
        f"{len(places) - len(rows)} of {len(places)} images, as there are {num_folds} "
        "folds and fewer images of each of these classes."
    )

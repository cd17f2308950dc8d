"""Data sets with an image for every combination of known factors, for drawing from."""

import functools
import os
from collections.abc import Callable

import numpy as np

from vqzoo.datasets import sprites
from vqzoo.datasets.catalog import STORED_FACTORS, WITH_FACTORS
from vqzoo.datasets.named import find_builder, pixels_of
from vqzoo.datasets.pixels import SmallImageError, fit, to_channels, to_float
from vqzoo.datasets.preparation import prepare
from vqzoo.datasets.store import allocate

_BATCH = 512  # images read at once

Draw = Callable[[int, np.random.Generator], np.ndarray]
Show = Callable[[np.ndarray], np.ndarray]


@functools.lru_cache(maxsize=1)
def load(
    name: str,
    image_shape: tuple[int, int, int],
    data_dir: str | os.PathLike[str] | None = None,
) -> tuple[Draw, Show]:
    """Two functions: one draws factors, the other gives their images.

    Args:
        name: "sprites", which are rendered; "dsprites" or "shapes3d", which
            tensorflow-datasets keeps: all their images are read, once a process.
        image_shape: `(side, side, channels)` that the images are brought to.
        data_dir: folder in which tensorflow-datasets keeps its data. Defaults to its
            default.

    Returns: a function of a count and a numpy generator to factors drawn evenly, int
        `(count, num_factors)`, and one of such factors to float32 images in [-0.5,
        0.5].
    Raises:
        FileNotFoundError: if the data set is not there and cannot be downloaded.
        ValueError: if the name or the shape is impossible, or images are missing.
    """
    side, channels = _side(name, image_shape), image_shape[2]
    if name == "sprites":

        def render(factors):
            return np.repeat(sprites.images(factors, side), channels, axis=-1)

        return sprites.sample_factors, render
    sizes, images = _read(name, side, data_dir)

    def images_of(factors):
        rows = np.ravel_multi_index(np.asarray(factors).T, sizes)
        return np.asarray(to_float(to_channels(images[rows], channels)))

    return functools.partial(sprites.sample_factors, sizes=sizes), images_of


def _side(name, image_shape):
    if name not in WITH_FACTORS:
        raise ValueError(
            f"expected one of {', '.join(WITH_FACTORS)}, received name={name!r}"
        )
    if image_shape[0] != image_shape[1]:
        raise ValueError(
            f"expected square images for the factors of {name}, received images of "
            f"{' x '.join(map(str, image_shape))}"
        )
    return image_shape[0]


def _read(name, side, data_dir):
    """Sizes of the factors, and uint8 images in the order of their combinations."""
    import tensorflow_datasets as tfds
    from tqdm import tqdm

    builder = find_builder(name, data_dir)
    try:
        prepare(builder, name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}\n--factors=sprites needs no files: its images are rendered"
        ) from None
    features = builder.info.features
    sizes = tuple(
        features[f"label_{factor}"].num_classes for factor in STORED_FACTORS[name]
    )
    total = int(np.prod(sizes))
    images = allocate((total, side, side, features["image"].shape[-1]))
    is_read = np.zeros(total, bool)
    config = tfds.ReadConfig(try_autocache=False)
    batches = builder.as_dataset(split="train", batch_size=_BATCH, read_config=config)
    bar = tqdm(total=total, desc=name, unit=" images", delay=3, mininterval=0.5)
    with bar:
        for batch in tfds.as_numpy(batches):
            labels = [batch[f"label_{factor}"] for factor in STORED_FACTORS[name]]
            rows = np.ravel_multi_index(labels, sizes)
            images[rows] = _fitted(pixels_of(batch, name), side, name)
            is_read[rows] = True
            bar.update(len(rows))
    if not is_read.all():
        raise ValueError(
            f"expected an image for each of the {total:,} combinations of the factors "
            f"of {name}, found {is_read.sum():,}"
        )
    return sizes, images


def _fitted(images, side, name):
    try:
        return np.stack([fit(image, side) for image in images])
    except SmallImageError as error:
        raise ValueError(
            f"expected a model of images of at most {error}, as {name} has them, "
            f"received one of {side} x {side}"
        ) from error

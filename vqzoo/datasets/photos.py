"""The embedded data set: crops of photographs that come with installed packages.

scikit-learn and scikit-image ship a handful of color photographs. A strip across each
is held out for validation and another for test; training crops come from the rest.
"""

import dataclasses
import hashlib
import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from vqzoo.datasets.images import open_image
from vqzoo.datasets.pixels import to_float
from vqzoo.datasets.splits import Split, Splits

_EPOCH_SIZE = 4096
_HELD_OUT = 0.2  # of the cut side, for each of validation and test

Box = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class _Photo:
    name: str
    package: str
    path: str
    axis: int  # 0 cuts horizontal strips, 1 vertical ones
    order: tuple[str, str, str]  # of the strips, from the top or from the left


_FIRST = ("validation", "test", "train")
_LAST = ("train", "test", "validation")
_PHOTOS = (
    _Photo("pagoda", "sklearn", "datasets/images/china.jpg", 1, _FIRST),
    _Photo("flower", "sklearn", "datasets/images/flower.jpg", 1, _LAST),
    _Photo("astronaut", "skimage", "data/astronaut.png", 0, _LAST),
    _Photo("cat", "skimage", "data/chelsea.png", 1, _LAST),
    _Photo("coffee", "skimage", "data/coffee.png", 1, _LAST),
    _Photo("rocket", "skimage", "data/rocket.jpg", 1, _LAST),
    _Photo("motorcycle", "skimage", "data/motorcycle_left.png", 1, _FIRST),
)


def load_photos(image_size: int | None = None, channels: int | None = None) -> Splits:
    """Random crops for training, fixed grids of crops for validation and test.

    Args:
        image_size: int. Side of the square crops. Defaults to 64.
        channels: 1 (gray) or 3. Defaults to 3.

    Raises:
        FileNotFoundError: if a package or one of its photographs is missing.
        ValueError: if the crops do not fit into the strips of a photograph.
    """
    size, channels = image_size or 64, channels or 3
    images = list(photographs(channels).values())
    boxes = [
        strips(image.shape[:2], size, photo.axis, photo.order)
        for image, photo in zip(images, _PHOTOS, strict=True)
    ]
    digest = hashlib.sha256(repr((size, channels, _EPOCH_SIZE, boxes)).encode())
    for image in images:
        digest.update(image.tobytes())
    crops = _Crops(images, size)
    return Splits(
        train=crops.random([box["train"] for box in boxes]),
        validation=crops.grid([box["validation"] for box in boxes]),
        test=crops.grid([box["test"] for box in boxes]),
        name="photos",
        image_shape=(size, size, channels),
        class_names=tuple(photo.name for photo in _PHOTOS),
        fingerprint=digest.hexdigest(),
    )


def photographs(channels: int = 3) -> dict[str, np.ndarray]:
    """The whole photographs by name: uint8 `(height, width, channels)`.

    Raises:
        FileNotFoundError: if a package or one of its photographs is missing.
    """
    return {photo.name: _read(photo, channels) for photo in _PHOTOS}


def strips(
    shape: tuple[int, int], size: int, axis: int, order: tuple[str, str, str]
) -> dict[str, Box]:
    """Cut an image into three strips that share no pixel.

    Args:
        shape: `(height, width)` of the image.
        size: int. Side of the crops; held-out strips are a multiple of it wide.
        axis: 0 for horizontal strips, 1 for vertical ones.
        order: names of the strips, from the top or from the left.

    Returns: dict of name to `(top, left, bottom, right)`, ends excluded.
    Raises: ValueError: if a crop does not fit.
    """
    held_out = size * max(1, round(_HELD_OUT * shape[axis] / size))
    train = shape[axis] - 2 * held_out
    if min(train, shape[1 - axis]) < size:
        raise ValueError(
            "expected crops that fit three strips of a photograph of "
            f"{shape[1]} x {shape[0]} pixels, received image_size={size}"
        )
    boxes, start = {}, 0
    for name in order:
        end = start + (train if name == "train" else held_out)
        boxes[name] = (
            (start, 0, end, shape[1]) if axis == 0 else (0, start, shape[0], end)
        )
        start = end
    return boxes


def _read(photo: _Photo, channels: int) -> np.ndarray:
    package = {"sklearn": "scikit-learn", "skimage": "scikit-image"}[photo.package]
    spec = importlib.util.find_spec(photo.package)
    if spec is None:
        raise FileNotFoundError(
            f"expected {package} to be installed, whose photographs are the data set "
            f"'photos'; run: pip install {package}"
        )
    path = pathlib.Path(spec.submodule_search_locations[0], photo.path)
    if not path.exists():
        raise FileNotFoundError(
            f"expected {package} to ship the photograph {photo.path}, found no file "
            f"{path}; reinstall it, or train on a folder of images"
        )
    with open_image(path.read_bytes()) as image:
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


class _Crops:
    """Gathers square crops from photographs that lie one after another in memory."""

    def __init__(self, images: list[np.ndarray], size: int) -> None:
        self._size = size
        self._num_photos = len(images)
        areas = [image.shape[0] * image.shape[1] for image in images]
        self._starts = np.cumsum([0, *areas[:-1]]).astype(np.int32)
        self._widths = np.array([image.shape[1] for image in images], np.int32)
        with tf.device("cpu"):
            flat = [image.reshape(-1, image.shape[-1]) for image in images]
            self._pixels = tf.constant(np.concatenate(flat))

    def random(self, boxes: list[Box]) -> Split:
        """Crops at random places in the boxes, half of them mirrored."""
        corners = np.array([box[:2] for box in boxes], np.int32)
        ends = np.array([box[2:] for box in boxes], np.int32)
        places = (ends - corners - self._size + 1).astype(np.float32)

        def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            photos = tf.cast(indices % self._num_photos, tf.int32)
            draws = tf.random.stateless_uniform([tf.size(indices), 3], seed)
            offsets = tf.floor(draws[:, :2] * tf.gather(places, photos))
            tops_lefts = tf.gather(corners, photos) + tf.cast(offsets, tf.int32)
            return self._gather(photos, tops_lefts, draws[:, 2] < 0.5)

        return Split(size=_EPOCH_SIZE, load=load)

    def grid(self, boxes: list[Box]) -> Split:
        """All crops of a regular grid in each box, without overlap."""
        rows = [
            (photo, top, left)
            for photo, box in enumerate(boxes)
            for top in _grid(box[0], box[2], self._size)
            for left in _grid(box[1], box[3], self._size)
        ]
        table = np.array(rows, np.int32)

        def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            chosen = tf.gather(table, indices)
            never = tf.zeros_like(indices, tf.bool)
            return self._gather(chosen[:, 0], chosen[:, 1:], never)

        return Split(size=len(rows), load=load)

    def _gather(
        self, photos: tf.Tensor, corners: tf.Tensor, mirrored: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        steps = tf.range(self._size)
        columns = tf.where(mirrored[:, None], steps[::-1], steps) + corners[:, 1:]
        lines = (steps + corners[:, :1]) * tf.gather(self._widths, photos)[:, None]
        places = tf.gather(self._starts, photos)[:, None, None] + (
            lines[:, :, None] + columns[:, None, :]
        )
        return {"image": to_float(tf.gather(self._pixels, places)), "label": photos}


def _grid(start: int, end: int, size: int) -> list[int]:
    count = (end - start) // size
    return [int(place) for place in np.linspace(start, end - size, count)]

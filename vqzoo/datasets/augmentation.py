"""Random changes to training images, through keras-cv, that can be replayed.

keras-cv draws from generators with a state, which a resumed run cannot restore in the
middle of an epoch. Here its layers draw from a stand-in that has none: every number is
a function of the seed of the step and of how many draws came before it in the step.
"""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from vqzoo.datasets.splits import Split, Splits

AUGMENTATIONS = ("flip", "crop", "color_jitter")

_AREA = (0.7, 1.0)  # of the image, that a crop keeps
_ASPECT = (0.8, 1.25)
_BRIGHTNESS = (-0.1, 0.1)  # of the value range
_CONTRAST = (0.8, 1.2)
_SATURATION = (0.4, 0.6)  # 0.5 changes nothing
_HUE = (0.0, 0.05)


def augment(split: Split, names: Sequence[str], image_shape: Sequence[int]) -> Split:
    """A split whose images are changed at random each time they are loaded.

    Args:
        split: Split of float images in [-0.5, 0.5].
        names: some of "flip" (left and right), "crop" (70 to 100 % of the area, resized
            back) and "color_jitter" (brightness and contrast, and for color images
            saturation and hue), applied in this order.
        image_shape: `(height, width, channels)`.
    Raises: ValueError: if a name is unknown.
    """
    check_names(names)
    if not names:
        return split
    draws = _Draws()
    chosen = [name for name in AUGMENTATIONS if name in names]
    steps = [_MAKERS[name](draws, image_shape) for name in chosen]

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = split.load(indices, seed)
        images = (batch["image"] + 0.5) * 255.0
        for number, step in enumerate(steps, start=1):
            step_seed = tf.random.experimental.stateless_fold_in(seed, number)
            images = step(images, step_seed)
        images = tf.clip_by_value(images / 255.0 - 0.5, -0.5, 0.5)
        return {**batch, "image": tf.ensure_shape(images, batch["image"].shape)}

    return dataclasses.replace(split, load=load)


def with_mirrored(splits: Splits) -> Splits:
    """A data set whose training images come twice, then mirrored left to right."""
    train, size = splits.train, splits.train.size

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = train.load(indices % size, seed)
        images, again = batch["image"], indices >= size
        images = tf.where(
            again[:, None, None, None], tf.reverse(images, axis=[2]), images
        )
        return {**batch, "image": images}

    return dataclasses.replace(
        splits,
        train=Split(size=2 * size, load=load),
        fingerprint=f"flip {splits.fingerprint}",
    )


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError if one of the names is not an augmentation."""
    if unknown := sorted(set(names) - set(AUGMENTATIONS)):
        raise ValueError(
            f"expected augmentations among {', '.join(AUGMENTATIONS)}, received "
            f"augmentation={unknown}"
        )


class _Draws:
    """Stands in for `tf.random.Generator`; starts anew whenever it is given a seed."""

    def __init__(self):
        self._seed = None
        self._count = 0

    def start(self, seed):
        self._seed, self._count = seed, 0

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=tf.float32):
        self._count += 1
        seed = tf.random.experimental.stateless_fold_in(self._seed, self._count)
        return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype)


def _sampler(draws: _Draws, bounds: tuple[float, float]):
    import keras_cv

    class Sampler(keras_cv.core.FactorSampler):
        def __call__(self, shape=(), dtype="float32"):
            return draws.uniform(shape, *bounds, tf.as_dtype(dtype))

    return Sampler()


def _stateless(layer, draws):
    layer._random_generator = draws
    return layer


def _flip(draws, image_shape) -> Callable:
    import keras_cv

    layer = _stateless(keras_cv.layers.RandomFlip(dtype="float32"), draws)
    return _batchwise([layer], draws)


def _crop(draws, image_shape) -> Callable:
    import keras_cv

    layer = keras_cv.layers.RandomCropAndResize(
        tuple(int(side) for side in image_shape[:2]),
        crop_area_factor=_sampler(draws, _AREA),
        aspect_ratio_factor=_sampler(draws, _ASPECT),
        dtype="float32",
    )
    _stateless(layer, draws)

    def one(inputs):
        image, seed = inputs
        draws.start(seed)
        return layer(image)

    def step(images, seed):
        # The layer works image by image, so that each image needs a seed of its own.
        seeds = tf.random.stateless_uniform(
            [tf.shape(images)[0], 2], seed, minval=None, maxval=None, dtype=tf.int32
        )
        return tf.map_fn(
            one, (images, seeds), fn_output_signature=tf.TensorSpec(images.shape[1:])
        )

    return step


def _color_jitter(draws, image_shape) -> Callable:
    from keras_cv import layers

    in_bytes = {"value_range": (0, 255), "dtype": "float32"}
    contrast = layers.RandomContrast(factor=0.0, **in_bytes)
    contrast.factor = _sampler(draws, _CONTRAST)  # the constructor takes numbers only
    chain = [
        layers.RandomBrightness(_sampler(draws, _BRIGHTNESS), **in_bytes),
        contrast,
    ]
    if image_shape[-1] == 3:
        chain += [
            layers.RandomSaturation(_sampler(draws, _SATURATION), dtype="float32"),
            layers.RandomHue(_sampler(draws, _HUE), **in_bytes),
        ]
    return _batchwise([_stateless(layer, draws) for layer in chain], draws)


def _batchwise(chain, draws):
    def step(images, seed):
        draws.start(seed)
        for layer in chain:
            images = layer(images)
        return images

    return step


_MAKERS = {"flip": _flip, "crop": _crop, "color_jitter": _color_jitter}

"""Corruptions of images as pure functions of a seed, and what their layers share."""

import math

import keras
from keras import ops

from vqzoo.arguments import Configured
from vqzoo.replicas import draw_rows


class Corruption(Configured, keras.layers.Layer):
    """Abstract: corrupts images during training; at inference they pass unchanged.

    Frozen it is at inference.

    A subclass has the argument `seed`, ends its constructor with `_start` and defines
    `_corrupt`.
    """

    def _start(self, arguments):
        """Keeps the arguments of the constructor and makes the stream of noise."""
        self._keep(arguments)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.built = True

    def _corrupt(self, images):
        """The images with noise of `seed_generator` in them."""
        raise NotImplementedError

    def call(self, images, training=False):
        return self._corrupt(images) if training and self.trainable else images

    def compute_output_shape(self, images_shape):
        return images_shape


def gaussian_corruption(images, stddev, seed):
    """Images with Gaussian noise on every value; they may leave [-0.5, 0.5].

    Args:
        images: float `(batch, ..., channels)`.
        stddev: float, of the noise, in units of the images.
        seed: int (equal seeds give equal noise) or `keras.random.SeedGenerator`.

    Returns:
        Float tensor, shape and dtype of the images.
    """
    images = ops.convert_to_tensor(images)
    noise = _draw(keras.random.normal, images, images.shape[1:], seed)
    return images + ops.cast(stddev * noise, images.dtype)


def masking_corruption(images, rate, seed):
    """Images with a share of their pixels at 0, mid gray, in all channels together.

    The number of masked pixels is the same in every image, `rate` times the number of
    pixels, rounded; which ones are masked is drawn for each image on its own.

    Args:
        images: float `(batch, ..., channels)`; the axes but the first are known.
        rate: float in [0, 1], share of the pixels.
        seed: int (equal seeds give equal masks) or `keras.random.SeedGenerator`.

    Returns:
        Float tensor, shape and dtype of the images.

    Source: Vincent et al. 2008, "Extracting and composing robust features with
    denoising autoencoders", section 2.3, which masks values, not pixels.
    """
    images = ops.convert_to_tensor(images)
    num_pixels = math.prod(images.shape[1:-1])
    drawn = _draw(keras.random.uniform, images, (num_pixels,), seed)
    ranks = ops.argsort(ops.argsort(drawn, axis=1), axis=1)
    masked = ranks < round(rate * num_pixels)
    masked = ops.reshape(masked, (-1, *images.shape[1:-1], 1))
    return ops.where(masked, ops.zeros_like(images), images)


def _draw(distribution, images, shape, seed):
    """Random values for each image: this replica's rows of the joint batch's."""

    def draw(num_rows):
        return distribution((num_rows, *shape), seed=seed, dtype="float32")

    return draw_rows(draw, ops.shape(images)[0])

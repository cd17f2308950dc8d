"""Networks that tell images from reconstructions."""

import math

import keras
import numpy as np

from vqzoo import registry

_SLOPE = 0.2


@registry.named("patch")
def patch_discriminator(image_shape, *, num_channels=64, num_layers=3):
    """Scores of overlapping patches: the discriminator of pix2pix and of VQGAN.

    Strided convolutions of 4 x 4 with batch normalization.

    Args:
        image_shape: `(height, width, channels)`; sides of at least 2 ** (num_layers +
            2).
        num_channels: int, of the first convolution; doubled by each, up to 8 times.
        num_layers: int, strided convolutions; 3 see patches of 70 pixels.

    Returns:
        keras.Model from images to scores `(batch, h, w, 1)`, float32.

    Raises:
        ValueError: if the images are too small.

    Source: Isola et al. 2017, arXiv 1611.07004; Esser et al. 2021, arXiv 2012.09841.
        Differs: nothing.
    """
    _check_sides(image_shape, 2 ** (num_layers + 2), "num_layers", num_layers)
    outputs = images = keras.Input(image_shape)
    for layer in range(num_layers + 1):
        filters = num_channels * min(2**layer, 8)
        stride = 1 + (layer < num_layers)
        outputs = _patch_conv(outputs, filters, stride, use_bias=not layer)
        if layer:
            scales = keras.initializers.RandomNormal(1.0, 0.02)
            outputs = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, gamma_initializer=scales
            )(outputs)
        outputs = keras.layers.LeakyReLU(_SLOPE)(outputs)
    outputs = _patch_conv(outputs, 1, 1, dtype="float32")
    return keras.Model(images, outputs, name="discriminator")


def _patch_conv(inputs, filters, stride, use_bias=True, dtype=None):
    """A convolution of 4 x 4 with a border of one zero on every side."""
    padded = keras.layers.ZeroPadding2D(1, dtype=dtype)(inputs)
    initializer = keras.initializers.RandomNormal(stddev=0.02)
    return keras.layers.Conv2D(
        filters,
        4,
        strides=stride,
        use_bias=use_bias,
        kernel_initializer=initializer,
        dtype=dtype,
    )(padded)


@registry.named("style")
def style_discriminator(image_shape, *, num_channels=64, max_channels=256):
    """One score of an image: residual blocks that halve its sides with a blur.

    Args:
        image_shape: `(height, width, channels)`; sides of at least 8.
        num_channels: int, of the first convolution; doubled by each block.
        max_channels: int, the most of them.

    Returns:
        keras.Model from images to scores `(batch, 1)`, float32.

    Raises:
        ValueError: if the images are too small.

    Source: Karras et al. 2020, arXiv 1912.04958, as in the tokenizer of Chang et al.
        2022, arXiv 2202.04200. Differs: fewer channels by default.
    """
    _check_sides(image_shape, 8, "image_shape", image_shape)
    images = keras.Input(image_shape)
    filters = num_channels
    outputs = keras.layers.Conv2D(filters, 3, padding="same")(images)
    outputs = keras.layers.LeakyReLU(_SLOPE)(outputs)
    for _ in range(int(math.log2(min(image_shape[:2]))) - 2):
        filters = min(2 * filters, max_channels)
        outputs = _style_block(outputs, filters)
    outputs = keras.layers.Conv2D(filters, 3, padding="same")(outputs)
    outputs = keras.layers.Flatten()(keras.layers.LeakyReLU(_SLOPE)(outputs))
    outputs = keras.layers.LeakyReLU(_SLOPE)(keras.layers.Dense(filters)(outputs))
    outputs = keras.layers.Dense(1, dtype="float32")(outputs)
    return keras.Model(images, outputs, name="discriminator")


def _style_block(inputs, filters):
    shortcut = keras.layers.Conv2D(filters, 1, use_bias=False)(_halved(inputs))
    outputs = keras.layers.Conv2D(inputs.shape[-1], 3, padding="same")(inputs)
    outputs = _halved(keras.layers.LeakyReLU(_SLOPE)(outputs))
    outputs = keras.layers.Conv2D(filters, 3, padding="same")(outputs)
    outputs = keras.layers.LeakyReLU(_SLOPE)(outputs)
    outputs = keras.layers.Add()([outputs, shortcut])
    return keras.layers.Rescaling(1 / math.sqrt(2))(outputs)


def _halved(inputs):
    """A blur by (1, 3, 3, 1) and every second position of it."""
    row = np.array([1, 3, 3, 1], "float32") / 8
    kernel = np.outer(row, row)[:, :, None, None]

    def blur(shape, dtype=None):
        return keras.ops.cast(np.broadcast_to(kernel, shape), dtype or "float32")

    layer = keras.layers.DepthwiseConv2D(
        4, 2, padding="same", use_bias=False, depthwise_initializer=blur
    )
    layer.trainable = False
    return layer(inputs)


def _check_sides(image_shape, least, name, value):
    if min(image_shape[:2]) < least:
        raise ValueError(
            f"expected images with sides of at least {least} for {name}={value}, "
            f"received {tuple(image_shape)}"
        )

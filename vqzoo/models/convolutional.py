"""Convolutional halves of the VQ-VAE: image to features, features to image."""

import math

import keras

from vqzoo.layers import ResidualStack, SelfAttention
from vqzoo.layers.autoencoding.residual_block import make_normalization


def encoder(model, stride, name="encoder"):
    """Features at 1 / `stride` of the resolution.

    Args:
        model: with `num_channels` of the features, of which the first convolution has
            half, `residual_channels` inside its `num_residual_blocks`,
            `encoder_kernel_size` of the strided convolutions, and `layer_dtype`; and
            what `ImageModel` names of its blocks.
        stride: int, a power of 2 of at least 2.
        name: str.

    Returns:
        `keras.Sequential`, `(B, H, W, C)` -> `(B, H/stride, W/stride, num_channels)`.

    Raises:
        ValueError: if `stride` is not a power of 2 of at least 2.
    """
    num_channels, dtype = model.num_channels, model.layer_dtype
    kernel_size = model.encoder_kernel_size
    layers = []
    for i in range(num_halvings(stride)):
        channels = num_channels // 2 if i == 0 else num_channels
        conv = _conv(channels, kernel_size, dtype, strides=2)
        layers += _activated(model, conv)
    layers += _residual(model)
    return keras.Sequential(layers, name=name)


def decoder(model, stride, out_channels, name="decoder"):
    """Maps quantized latents to an output of `stride` times their resolution.

    Args:
        model: as in `encoder`, with its `num_decoder_blocks` instead of
            `num_residual_blocks` unless None; half of the channels stand before the
            last upsampling where there are several.
        stride: int, a power of 2 of at least 2.
        out_channels: int.
        name: str.

    Returns:
        `keras.Sequential`, `(B, h, w, C)` -> `(B, stride*h, stride*w, out_channels)`.

    Raises:
        ValueError: if `stride` is not a power of 2 of at least 2.
    """
    num_channels, dtype = model.num_channels, model.layer_dtype
    layers = _residual(model, model.num_decoder_blocks)
    halvings = num_halvings(stride)
    for i in range(halvings - 1):
        channels = num_channels // 2 if i == halvings - 2 else num_channels
        layers += _activated(model, upsampling(channels, dtype))
    layers.append(upsampling(out_channels, dtype))
    return keras.Sequential(layers, name=name)


def _activated(model, convolution):
    """A convolution with its activation, and a normalization between: layers."""
    if model.normalization is None:
        convolution.activation = keras.activations.get(model.activation)
        return [convolution]
    layer = make_normalization(
        model.normalization, convolution.filters, None, model.layer_dtype
    )
    activation = keras.layers.Activation(model.activation, dtype=model.layer_dtype)
    return [convolution, layer, activation]


def _residual(model, num_blocks=None):
    dtype = model.layer_dtype
    stack = ResidualStack(
        model.num_residual_blocks if num_blocks is None else num_blocks,
        model.residual_channels,
        kernel_size=model.residual_kernel_size,
        activation=model.activation,
        normalization=model.normalization,
        dtype=dtype,
    )
    attention = [SelfAttention(dtype=dtype)] if model.attention else []
    return [_conv(model.num_channels, 3, dtype), stack, *attention]


def upsampling(channels, dtype, **kwargs):
    """Transposed convolution that doubles height and width."""
    return keras.layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", dtype=dtype, **kwargs
    )


def projection(model, embedding_dim, name="projection", kernel_size=1):
    """The convolution from an encoder's features to the latents."""
    return _conv(embedding_dim, kernel_size, model.layer_dtype, name=name)


def float32_output():
    """Layer that casts the reconstruction to float32 under every dtype policy."""
    return keras.layers.Activation("linear", dtype="float32", name="reconstruction")


def _conv(channels, kernel_size, dtype, **kwargs):
    return keras.layers.Conv2D(
        channels, kernel_size, padding="same", dtype=dtype, **kwargs
    )


def num_halvings(stride):
    """How often a side is halved; ValueError unless a power of 2 of at least 2."""
    halvings = int(math.log2(stride)) if stride > 0 else 0
    if stride < 2 or 2**halvings != stride:
        raise ValueError(
            f"expected a stride that is a power of 2 of at least 2, received "
            f"stride={stride}"
        )
    return halvings


def check_image_shape(image_shape, total_stride, pad=False):
    """Raises ValueError unless height and width divide by the model's stride, or None.

    Args:
        image_shape: `(height, width, channels)`.
        total_stride: int.
        pad: bool, whether they need not divide.
    """
    *sides, channels = image_shape
    bad = (
        side is not None and (side < 1 or side % total_stride and not pad)
        for side in sides
    )
    if len(sides) != 2 or channels < 1 or any(bad):
        raise ValueError(
            f"expected an image_shape (height, width, channels) whose sides divide by "
            f"{total_stride}, received image_shape={tuple(image_shape)}"
        )


def check_fixed(image_shape):
    """Raises ValueError for sides that are None, in a model with one vector or grid."""
    if None in tuple(image_shape):
        raise ValueError(
            "expected an image_shape of numbers: only fully convolutional models, such "
            f"as VQVAE, take any size, received image_shape={tuple(image_shape)}"
        )

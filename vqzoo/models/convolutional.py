"""Convolutional halves of the VQ-VAE: image to features, features to image."""

import math

import keras

from vqzoo.layers import ResidualStack


def encoder(
    stride,
    num_channels,
    residual_channels,
    num_residual_blocks,
    *,
    kernel_size,
    dtype,
    name,
):
    """Features at 1 / `stride` of the resolution.

    Args:
        stride: int, a power of 2 of at least 2.
        num_channels: int, channels of the features; the first convolution has half.
        residual_channels: int, channels inside of the residual blocks.
        num_residual_blocks: int.
        kernel_size: int, of the strided convolutions.
        dtype: dtype policy of the layers.
        name: str.

    Returns:
        `keras.Sequential`, `(B, H, W, C)` -> `(B, H/stride, W/stride, num_channels)`.

    Raises:
        ValueError: if `stride` is not a power of 2 of at least 2.
    """
    layers = []
    for i in range(_num_halvings(stride)):
        channels = num_channels // 2 if i == 0 else num_channels
        layers.append(_conv(channels, kernel_size, dtype, strides=2, activation="relu"))
    layers.append(_conv(num_channels, 3, dtype))
    layers.append(ResidualStack(num_residual_blocks, residual_channels, dtype=dtype))
    return keras.Sequential(layers, name=name)


def decoder(
    stride,
    num_channels,
    residual_channels,
    num_residual_blocks,
    *,
    out_channels,
    kernel_size,
    dtype,
    name,
):
    """Maps quantized latents to an output of `stride` times their resolution.

    Args:
        stride: int, a power of 2 of at least 2.
        num_channels: int, channels at the resolution of the latents; half of them
            before the last up-sampling where there are several.
        residual_channels: int, channels inside of the residual blocks.
        num_residual_blocks: int.
        out_channels: int.
        kernel_size: int, of the up-sampling convolutions.
        dtype: dtype policy of the layers.
        name: str.

    Returns:
        `keras.Sequential`, `(B, h, w, C)` -> `(B, stride*h, stride*w, out_channels)`.

    Raises:
        ValueError: if `stride` is not a power of 2 of at least 2.
    """
    layers = [
        _conv(num_channels, 3, dtype),
        ResidualStack(num_residual_blocks, residual_channels, dtype=dtype),
    ]
    halvings = _num_halvings(stride)
    for i in range(halvings - 1):
        channels = num_channels // 2 if i == halvings - 2 else num_channels
        layers.append(upsampling(channels, kernel_size, dtype, activation="relu"))
    layers.append(upsampling(out_channels, kernel_size, dtype))
    return keras.Sequential(layers, name=name)


def upsampling(channels, kernel_size, dtype, **kwargs):
    """Transposed convolution that doubles height and width."""
    return keras.layers.Conv2DTranspose(
        channels, kernel_size, strides=2, padding="same", dtype=dtype, **kwargs
    )


def float32_output(name):
    """Layer that hands its input on as float32, under every dtype policy."""
    return keras.layers.Activation("linear", dtype="float32", name=name)


def _conv(channels, kernel_size, dtype, **kwargs):
    return keras.layers.Conv2D(
        channels, kernel_size, padding="same", dtype=dtype, **kwargs
    )


def _num_halvings(stride):
    halvings = int(math.log2(stride)) if stride > 0 else 0
    if stride < 2 or 2**halvings != stride:
        raise ValueError(
            f"expected a stride that is a power of 2 of at least 2, received "
            f"stride={stride}"
        )
    return halvings


def check_image_shape(image_shape, total_stride):
    """Raises ValueError unless height and width divide by the model's stride."""
    height, width, channels = image_shape
    if channels < 1 or height < 1 or height % total_stride or width % total_stride:
        raise ValueError(
            f"expected an image_shape (height, width, channels) whose sides divide by "
            f"{total_stride}, received image_shape={tuple(image_shape)}"
        )

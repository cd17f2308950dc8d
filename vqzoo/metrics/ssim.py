"""Structural similarity."""

import keras
import numpy as np
from keras import ops

WINDOW_SIZE = 11
WINDOW_STDDEV = 1.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@keras.saving.register_keras_serializable("vqzoo")
class SSIM(keras.metrics.MeanMetricWrapper):
    """Mean over the images of the structural similarity index.

    Args:
        max_value: float, width of the value range. Defaults to 1.0 ([-0.5, 0.5]).
        name: str. Defaults to `"ssim"`.
        dtype: dtype of the state. Defaults to the float type of Keras.
    Input shape: `(batch, height, width, channels)`, float, sides of at least 11, in the
        range [-max_value / 2, max_value / 2].
    Output shape: scalar in [-1, 1], no unit; 1 for equal images.
    Raises: ValueError: if a side is below 11 pixels.
    Source: Wang et al. 2004, Image quality assessment, section III; an 11 x 11 Gaussian
        window of 1.5 pixels, k1 = 0.01, k2 = 0.03, valid positions, mean over channels.
        Differs: nothing.
    Example:
        >>> metric = SSIM()
        >>> metric.update_state(np.ones((1, 16, 16, 3)), np.ones((1, 16, 16, 3)))
        >>> float(metric.result())
        1.0
    """

    def __init__(self, max_value=1.0, *, name="ssim", dtype=None):
        super().__init__(fn=ssim, name=name, dtype=dtype, max_value=max_value)
        self.max_value = max_value

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "max_value": self.max_value}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def ssim(images, reconstructions, max_value=1.0):
    """Structural similarity of each image.

    Args:
        images: float `(B, H, W, C)`, in [-max_value / 2, max_value / 2].
        reconstructions: same shape; clipped to that range.
        max_value: float, width of the range.

    Returns:
        Float32 `(B,)`, in [-1, 1].

    Raises:
        ValueError: if a side is below 11 pixels.
    """
    images, reconstructions = _in_unit_range(images, reconstructions, max_value)
    luminance, structure = _terms(images, reconstructions)
    return ops.mean(luminance * structure, axis=(1, 2, 3))


def num_scales(image_shape):
    """How many of the five scales of `ms_ssim` images of a shape have: 0 to 5.

    Args:
        image_shape: `(height, width, channels)`; each scale halves the sides, rounded
            up, and the smallest one still holds a window of 11 pixels.
    """
    side, count = min(image_shape[:2]), 0
    while side >= WINDOW_SIZE and count < len(SCALE_WEIGHTS):
        side, count = -(-side // 2), count + 1
    return count


def ms_ssim(images, reconstructions, max_value=1.0):
    """Structural similarity over several scales, of each image.

    Five scales need sides of at least 161 pixels. Smaller images are compared on as
    many as they have, with the weights of those, which are made to sum to 1; say how
    many beside the number (`num_scales`).

    Args:
        images: float `(B, H, W, C)`, in [-max_value / 2, max_value / 2].
        reconstructions: same shape; clipped to that range.
        max_value: float, width of the range.

    Returns:
        Float32 `(B,)`, in [0, 1].

    Raises:
        ValueError: if a side is below 11 pixels.

    Source: Wang et al. 2003, Multi-scale structural similarity, equation 7 and its
        weights. Differs: negative terms count 0, as in TensorFlow.
    """
    pair = _in_unit_range(images, reconstructions, max_value)
    count = num_scales(images.shape[1:])
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    product = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            pair = [_halve(images) for images in pair]
        luminance, structure = _terms(*pair)
        if scale == count - 1:
            structure = luminance * structure
        channel_means = ops.relu(ops.mean(structure, axis=(1, 2)))
        product = product * channel_means ** float(weight)
    return ops.mean(product, axis=-1)


def _in_unit_range(images, reconstructions, max_value):
    """Both in [0, 1], on whose means the index depends."""
    if min(images.shape[1:3]) < WINDOW_SIZE:
        raise ValueError(
            f"expected images with sides of at least {WINDOW_SIZE}, received "
            f"shape={tuple(images.shape)}"
        )
    return [
        ops.clip(ops.cast(x, "float32") / max_value, -0.5, 0.5) + 0.5
        for x in (images, reconstructions)
    ]


def _terms(images, reconstructions):
    """Luminance and contrast-structure terms at the valid positions."""
    mean_x, mean_y = _blur(images), _blur(reconstructions)
    product = mean_x * mean_y
    squares = ops.square(mean_x) + ops.square(mean_y)
    covariance = _blur(images * reconstructions) - product
    variances = _blur(ops.square(images) + ops.square(reconstructions)) - squares
    luminance = (2 * product + 0.01**2) / (squares + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return luminance, structure


def _halve(images):
    """Means of 2 x 2 pixels; an odd side repeats its last row or column."""
    odd = [side % 2 for side in images.shape[1:3]]
    if any(odd):
        images = ops.pad(
            images, [(0, 0), (0, odd[0]), (0, odd[1]), (0, 0)], "symmetric"
        )
    return ops.average_pool(images, 2, strides=2)


def _blur(images):
    """Gaussian mean of each channel at the valid positions, an axis at a time."""
    offsets = np.arange(WINDOW_SIZE) - (WINDOW_SIZE - 1) / 2
    window = np.exp(-(offsets**2) / (2 * WINDOW_STDDEV**2))
    window = (window / window.sum()).astype("float32")
    kernel = np.tile(window[:, None, None, None], (1, 1, images.shape[-1], 1))
    images = ops.depthwise_conv(images, kernel, padding="valid")
    return ops.depthwise_conv(images, np.swapaxes(kernel, 0, 1), padding="valid")

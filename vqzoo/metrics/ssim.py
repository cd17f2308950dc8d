"""Structural similarity."""

import keras
import numpy as np
from keras import ops

WINDOW_SIZE = 11
WINDOW_STDDEV = 1.5


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
    if min(images.shape[1:3]) < WINDOW_SIZE:
        raise ValueError(
            f"expected images with sides of at least {WINDOW_SIZE}, received "
            f"shape={tuple(images.shape)}"
        )
    # The index depends on the means, which are those of pixels in [0, 1].
    images, reconstructions = (
        ops.clip(ops.cast(x, "float32") / max_value, -0.5, 0.5) + 0.5
        for x in (images, reconstructions)
    )
    mean_x, mean_y = _blur(images), _blur(reconstructions)
    product = mean_x * mean_y
    squares = ops.square(mean_x) + ops.square(mean_y)
    covariance = _blur(images * reconstructions) - product
    variances = _blur(ops.square(images) + ops.square(reconstructions)) - squares
    luminance = (2 * product + 0.01**2) / (squares + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return ops.mean(luminance * structure, axis=(1, 2, 3))


def _blur(images):
    """Gaussian mean of each channel at the valid positions, an axis at a time."""
    offsets = np.arange(WINDOW_SIZE) - (WINDOW_SIZE - 1) / 2
    window = np.exp(-(offsets**2) / (2 * WINDOW_STDDEV**2))
    window = (window / window.sum()).astype("float32")
    kernel = np.tile(window[:, None, None, None], (1, 1, images.shape[-1], 1))
    images = ops.depthwise_conv(images, kernel, padding="valid")
    return ops.depthwise_conv(images, np.swapaxes(kernel, 0, 1), padding="valid")

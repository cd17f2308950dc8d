"""Peak signal-to-noise ratio."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("vqzoo")
class PSNR(keras.metrics.MeanMetricWrapper):
    """Mean over the images of each image's peak signal-to-noise ratio, in dB.

    Both images are clipped to the value range first, as a viewer would. The mean of the
    decibels is above the decibels of the mean error, which is why the name matters.

    Args:
        max_value: float, width of the value range. Defaults to 1.0 ([-0.5, 0.5]).
        name: str. Defaults to `"psnr"`.
        dtype: dtype of the state. Defaults to the float type of Keras.
    Input shape: `(batch, height, width, channels)`, float, in the range
        [-max_value / 2, max_value / 2].
    Output shape: scalar, dB; 100 for equal images.
    Source: the usual definition, 10 log10(max_value ** 2 / mean squared error).
        Differs: errors below 1e-10 of the peak's square count as 1e-10.
    Example:
        >>> metric = PSNR()
        >>> metric.update_state(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 0.1))
        >>> round(float(metric.result()), 3)
        20.0
    """

    def __init__(self, max_value=1.0, *, name="psnr", dtype=None):
        super().__init__(fn=psnr, name=name, dtype=dtype, max_value=max_value)
        self.max_value = max_value

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "max_value": self.max_value}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def psnr(images, reconstructions, max_value=1.0):
    """Peak signal-to-noise ratio of each image.

    Args:
        images: float `(B, H, W, C)`, in [-max_value / 2, max_value / 2].
        reconstructions: same shape; clipped to that range.
        max_value: float, width of the range.

    Returns:
        Float32 `(B,)`, dB, at most 100.
    """
    images, reconstructions = (
        ops.clip(ops.cast(x, "float32"), -max_value / 2, max_value / 2)
        for x in (images, reconstructions)
    )
    error = ops.mean(ops.square(images - reconstructions), axis=(1, 2, 3))
    ratio = ops.maximum(error / max_value**2, 1e-10)
    return -10.0 * ops.log(ratio) / ops.log(10.0)

"""Convolution and linear map with an equalized learning rate."""

import math

import keras
from keras import ops

from vqzoo.arguments import Configured, check_positive

HE_GAIN = math.sqrt(2)


@keras.saving.register_keras_serializable("vqzoo")
class EqualizedConv2D(Configured, keras.layers.Layer):
    """Convolution whose weights are scaled when they are used, not when they are made.

    Weights start at unit variance and are multiplied by gain / sqrt(fan in) at each
    call, so that Adam moves all layers of a network by steps of the same relative size.
    The bias is not scaled.

    Args:
        filters: int, output channels.
        kernel_size: int. 1 on a grid of one position is a linear map.
        gain: float, sqrt(2) before a leaky ReLU, 1 before no activation.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, height, width, filters)`.
    Raises: ValueError: if a number is not positive.
    Source: Karras et al. 2018, arXiv 1710.10196, section 4.1. Differs: nothing.
    Example:
        >>> EqualizedConv2D(8, 3)(np.ones((2, 4, 4, 3), "float32")).shape
        TensorShape([2, 4, 4, 8])
    """

    def __init__(self, filters, kernel_size, *, gain=HE_GAIN, **kwargs):
        super().__init__(**kwargs)
        check_positive(filters=filters, kernel_size=kernel_size, gain=gain)
        self._keep(locals())

    def build(self, input_shape):
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, channels, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self._scale = self.gain / math.sqrt(self.kernel_size**2 * channels)

    def call(self, inputs):
        kernel = self.kernel * self._scale
        return ops.conv(inputs, kernel, padding="same") + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

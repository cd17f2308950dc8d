"""The residual block of the GAN priors: convolutions with gated linear units."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least
from vqzoo.layers.gan.equalized_conv2d import EqualizedConv2D


@keras.saving.register_keras_serializable("vqzoo")
class GatedLinearBlock(Configured, keras.layers.Layer):
    """Adds to the input a convolution of it, half of which gates the other half.

    With a and b the halves of the convolution of leaky_relu(inputs), gives inputs +
    a * sigmoid(b). The convolution has an equalized learning rate.

    Args:
        kernel_size: int.
        slope: float, of the leaky ReLU below 0.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if `kernel_size` is not positive.
    Source: Coppock's thesis, section 3.2: stacks of residual layers with gated linear
        units; gated linear units: Dauphin et al. 2017, arXiv 1612.08083. Differs: the
        thesis does not say how many convolutions a layer has; one here.
    Example:
        >>> GatedLinearBlock()(np.ones((2, 4, 4, 8), "float32")).shape
        TensorShape([2, 4, 4, 8])
    """

    def __init__(self, kernel_size=3, *, slope=0.2, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, kernel_size=kernel_size)
        self._keep(locals())

    def build(self, input_shape):
        self.conv = EqualizedConv2D(
            2 * input_shape[-1], self.kernel_size, name="conv", dtype=self.dtype_policy
        )
        self.conv.build(input_shape)

    def call(self, inputs):
        hidden = self.conv(ops.leaky_relu(inputs, self.slope))
        signal, gate = ops.split(hidden, 2, axis=-1)
        return inputs + signal * ops.sigmoid(gate)

    def compute_output_shape(self, input_shape):
        return input_shape

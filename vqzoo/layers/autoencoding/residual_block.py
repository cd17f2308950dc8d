"""Residual blocks of the VQ-VAE's encoder and decoder."""

import keras

from vqzoo.arguments import Configured, check_at_least, check_not_negative


@keras.saving.register_keras_serializable("vqzoo")
class ResidualBlock(Configured, keras.layers.Layer):
    """Adds to the input what ReLU, 3 x 3, ReLU and 1 x 1 convolutions make of it.

    Args:
        residual_channels: int, channels between the two convolutions.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if `residual_channels` is not positive.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1; Razavi et al. 2019,
        arXiv 1906.00446, appendix. Differs: nothing.
    Example:
        >>> ResidualBlock(32)(np.ones((1, 8, 8, 128), "float32")).shape
        TensorShape([1, 8, 8, 128])
    """

    def __init__(self, residual_channels, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, residual_channels=residual_channels)
        self._keep(locals())

    def build(self, input_shape):
        inner = (*input_shape[:-1], self.residual_channels)
        self.wide = keras.layers.Conv2D(
            self.residual_channels,
            3,
            padding="same",
            name="wide",
            dtype=self.dtype_policy,
        )
        self.wide.build(input_shape)
        self.point = keras.layers.Conv2D(
            input_shape[-1], 1, name="point", dtype=self.dtype_policy
        )
        self.point.build(inner)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        hidden = self.wide(keras.ops.relu(inputs))
        # What `self.point` computes, with its bias in an Add in the place of a BiasAdd.
        # TensorFlow's remapper (2.21, oneDNN) takes Conv2D, BiasAdd, Add and Relu for
        # one operation without asking who else reads the Add. The next block does:
        # `remapper failed`, and the whole graph then goes without fused operations.
        hidden = keras.ops.conv(keras.ops.relu(hidden), self.point.kernel)
        return inputs + (hidden + self.point.bias)


@keras.saving.register_keras_serializable("vqzoo")
class ResidualStack(Configured, keras.layers.Layer):
    """Residual blocks one after the other, and a ReLU.

    Args:
        num_blocks: int, 0 or more.
        residual_channels: int, channels inside of each block.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same, at least 0.
    Raises: ValueError: if `num_blocks` is negative.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1. Differs: nothing.
    Example:
        >>> ResidualStack(2, 32)(np.ones((1, 8, 8, 128), "float32")).shape
        TensorShape([1, 8, 8, 128])
    """

    def __init__(self, num_blocks, residual_channels, **kwargs):
        super().__init__(**kwargs)
        check_not_negative(num_blocks=num_blocks)
        self._keep(locals())
        self.blocks = [
            ResidualBlock(residual_channels, name=f"block_{i}", dtype=self.dtype_policy)
            for i in range(num_blocks)
        ]

    def build(self, input_shape):
        for block in self.blocks:
            block.build(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return keras.ops.relu(inputs)

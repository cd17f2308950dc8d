"""Residual block of normalizations, swish and 3 x 3 convolutions."""

import keras

from vqzoo.arguments import Configured, check_positive_ints
from vqzoo.layers.vqgan.group_norm import GroupNorm


@keras.saving.register_keras_serializable("vqzoo")
class NormalizedResidualBlock(Configured, keras.layers.Layer):
    """Adds two rounds of normalization, swish and convolution to the input.

    Where the number of channels changes, a 1 x 1 convolution of the input is added.

    Args:
        channels: int, of the output.
        num_groups: int, groups of each normalization. Defaults to 32.
    Input shape: `(batch, height, width, C)`, float.
    Output shape: `(batch, height, width, channels)`.
    Raises: ValueError: if a number of channels does not divide by `num_groups`.
    Source: Esser et al. 2020, arXiv 2012.09841, appendix, table 7. Differs: nothing.
    Example:
        >>> NormalizedResidualBlock(64)(np.ones((1, 8, 8, 32), "float32")).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, channels, *, num_groups=32, **kwargs):
        super().__init__(**kwargs)
        check_positive_ints(channels=channels, num_groups=num_groups)
        self._keep(locals())

    def build(self, input_shape):
        policy = {"dtype": self.dtype_policy}
        inner = (*input_shape[:-1], self.channels)
        norm = {"num_groups": self.num_groups, "swish": True, **policy}
        conv = {"filters": self.channels, "padding": "same", **policy}
        self.norm_1 = GroupNorm(name="norm_1", **norm)
        self.conv_1 = keras.layers.Conv2D(kernel_size=3, name="conv_1", **conv)
        self.norm_2 = GroupNorm(name="norm_2", **norm)
        self.conv_2 = keras.layers.Conv2D(kernel_size=3, name="conv_2", **conv)
        self.shortcut = None
        parts = [(self.norm_1, input_shape), (self.conv_1, input_shape)]
        parts += [(self.norm_2, inner), (self.conv_2, inner)]
        if input_shape[-1] != self.channels:
            self.shortcut = keras.layers.Conv2D(kernel_size=1, name="shortcut", **conv)
            parts.append((self.shortcut, input_shape))
        for layer, shape in parts:
            layer.build(shape)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def call(self, inputs):
        hidden = self.conv_1(self.norm_1(inputs))
        hidden = self.conv_2(self.norm_2(hidden))
        return hidden + (inputs if self.shortcut is None else self.shortcut(inputs))

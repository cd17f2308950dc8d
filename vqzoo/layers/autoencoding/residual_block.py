"""Residual blocks of the VQ-VAE's encoder and decoder."""

import math

import keras

from vqzoo.arguments import (
    Configured,
    check_at_least,
    check_not_negative,
    check_one_of,
)

NORMALIZATIONS = (None, "batch", "group")
_MOST_GROUPS = 8


def make_normalization(kind, channels, name, dtype):
    """A layer that normalizes features, or None.

    Args:
        kind: one of `NORMALIZATIONS`; `"group"` has up to 8 groups of channels.
        channels: int, of the features.
        name: str.
        dtype: dtype policy.
    """
    if kind == "batch":
        return keras.layers.BatchNormalization(name=name, dtype=dtype)
    if kind == "group":
        groups = math.gcd(_MOST_GROUPS, channels)
        return keras.layers.GroupNormalization(groups, name=name, dtype=dtype)
    return None


@keras.saving.register_keras_serializable("vqzoo")
class ResidualBlock(Configured, keras.layers.Layer):
    """Adds ReLU, 3 x 3, ReLU and 1 x 1 convolutions of the input to the input.

    Args:
        residual_channels: int, channels between the two convolutions.
        kernel_size: int, of the first convolution. Defaults to 3.
        activation: str, a name of `keras.activations`. Defaults to `"relu"`.
        normalization: None, `"batch"` or `"group"`, before each activation.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if a size is not positive or a name is unknown.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1; Razavi et al. 2019,
        arXiv 1906.00446, appendix. Differs: nothing.
    Example:
        >>> ResidualBlock(32)(np.ones((1, 8, 8, 128), "float32")).shape
        TensorShape([1, 8, 8, 128])
    """

    def __init__(
        self,
        residual_channels,
        *,
        kernel_size=3,
        activation="relu",
        normalization=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        sizes = {"residual_channels": residual_channels, "kernel_size": kernel_size}
        check_at_least(1, **sizes)
        check_one_of(NORMALIZATIONS, normalization=normalization)
        self._keep(locals())
        self.activate = keras.activations.get(activation)

    def build(self, input_shape):
        inner = (*input_shape[:-1], self.residual_channels)
        self.normalizations = []
        for name, shape in (("before_wide", input_shape), ("before_point", inner)):
            layer = make_normalization(
                self.normalization, shape[-1], name, self.dtype_policy
            )
            if layer is not None:
                layer.build(shape)
                self.normalizations.append(layer)
        self.wide = keras.layers.Conv2D(
            self.residual_channels,
            self.kernel_size,
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
        hidden = self.wide(self._activated(0, inputs))
        # What `self.point` computes, with its bias in an Add in the place of a BiasAdd.
        # TensorFlow's remapper (2.21, oneDNN) takes Conv2D, BiasAdd, Add and Relu for
        # one operation without asking who else reads the Add. The next block does:
        # `remapper failed`, and the whole graph then goes without fused operations.
        hidden = keras.ops.conv(self._activated(1, hidden), self.point.kernel)
        return inputs + (hidden + self.point.bias)

    def _activated(self, index, features):
        if self.normalizations:
            features = self.normalizations[index](features)
        return self.activate(features)


@keras.saving.register_keras_serializable("vqzoo")
class ResidualStack(Configured, keras.layers.Layer):
    """Residual blocks one after the other, and a ReLU.

    Args:
        num_blocks: int, 0 or more.
        residual_channels: int, channels inside each block.
        kernel_size: int, as in `ResidualBlock`.
        activation: str, as in `ResidualBlock`.
        normalization: None, `"batch"` or `"group"`, as in `ResidualBlock`.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same, at least 0 with ReLU.
    Raises: ValueError: if `num_blocks` is negative, and as `ResidualBlock`.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1. Differs: nothing.
    Example:
        >>> ResidualStack(2, 32)(np.ones((1, 8, 8, 128), "float32")).shape
        TensorShape([1, 8, 8, 128])
    """

    def __init__(
        self,
        num_blocks,
        residual_channels,
        *,
        kernel_size=3,
        activation="relu",
        normalization=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_not_negative(num_blocks=num_blocks)
        self._keep(locals())
        self.activate = keras.activations.get(activation)
        self.blocks = [
            ResidualBlock(
                residual_channels,
                kernel_size=kernel_size,
                activation=activation,
                normalization=normalization,
                name=f"block_{i}",
                dtype=self.dtype_policy,
            )
            for i in range(num_blocks)
        ]

    def build(self, input_shape):
        for block in self.blocks:
            block.build(input_shape)
        self.last = make_normalization(
            self.normalization, input_shape[-1], "last", self.dtype_policy
        )
        if self.last is not None:
            self.last.build(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return self.activate(inputs if self.last is None else self.last(inputs))

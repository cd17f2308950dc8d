"""The residual block of PixelSNAIL: two causal convolutions behind a gate."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_shares
from vqzoo.layers.causal.masked_conv2d import MaskedConv2D


@keras.saving.register_keras_serializable("vqzoo")
class GatedResidualBlock(Configured, keras.layers.Layer):
    """Adds two causal convolutions of the input to the input, behind a gate.

    With u the output of the second convolution, of twice the input's channels, and a
    and b its halves, gives inputs + a * sigmoid(b). The convolutions see
    `kernel_size` rows down to their own and as many columns around, of their own row
    the position itself and those to the left. What stands beside the input, such as the
    output of an attention, is added before the second convolution, a condition to u.

    For sampling, the layer also works step by step on a state: `start`, `begin_row`,
    for each position `at`, and `end_row`.

    Args:
        filters: int, channels between the two convolutions.
        kernel_size: odd int. 1 sees nothing but the position.
        dropout: float in [0, 1), share of values left out before the second
            convolution.
        seed: int or None, of the dropout.
    Input shape: `(batch, height, width, channels)`, float; also `beside`, the same with
        any channels, and a condition that broadcasts to it, or None.
    Output shape: same.
    Raises: ValueError: if `dropout` is not in [0, 1) or a size is not positive.
    Source: Chen et al. 2018 (PixelSNAIL), arXiv 1712.09763, figure 2; gates of Salimans
        et al. 2017, arXiv 1701.05517. Differs: no weight normalization; kernels as wide
        as table 6.1 of Coppock's thesis says; ELU before each convolution.
    Example:
        >>> GatedResidualBlock(16, 5)(np.ones((1, 8, 8, 32), "float32")).shape
        TensorShape([1, 8, 8, 32])
    """

    def __init__(self, filters, kernel_size, *, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_shares(dropout=dropout)
        self._keep(locals())
        self.first = self._conv(filters, "first")
        self.second = None
        self.of_beside = None
        self.of_condition = None
        self.drop = keras.layers.Dropout(
            dropout, seed=seed, name="drop", dtype=self.dtype_policy
        )

    def _conv(self, filters, name):
        sides = (2 * self.kernel_size - 1, self.kernel_size)
        return MaskedConv2D(filters, sides, "B", name=name, dtype=self.dtype_policy)

    def _dense(self, units, name, use_bias):
        return keras.layers.Dense(
            units, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )

    def build(self, inputs_shape, beside_shape=None, condition_shape=None):
        channels = inputs_shape[-1]
        self.first.build(inputs_shape)
        self.second = self._conv(2 * channels, "second")
        self.second.build((*inputs_shape[:-1], self.filters))
        if beside_shape is not None:
            self.of_beside = self._dense(self.filters, "beside", use_bias=False)
            self.of_beside.build(beside_shape)
        if condition_shape is not None:
            self.of_condition = self._dense(2 * channels, "condition", use_bias=False)
            self.of_condition.build(condition_shape)

    def call(self, inputs, beside=None, condition=None, training=None):
        hidden = self._between(self.first(ops.elu(inputs)), beside)
        hidden = self.second(self.drop(hidden, training=training and self.trainable))
        if condition is not None:
            hidden = hidden + self.of_condition(condition)
        return inputs + _gated(hidden)

    def _between(self, hidden, beside):
        if beside is not None:
            hidden = hidden + self.of_beside(ops.elu(beside))
        return ops.elu(hidden)

    def compute_output_shape(
        self, inputs_shape, beside_shape=None, condition_shape=None
    ):
        return inputs_shape

    def start(self, batch_size, width):
        """The state before the first row."""
        return {
            "first": self.first.start(batch_size, width),
            "second": self.second.start(batch_size, width),
        }

    def begin_row(self, state, condition=None):
        """The state before a row, with the condition of the row or None."""
        second = self.second.begin_row(state["second"])
        if condition is not None:
            seen = second["seen"] + self.of_condition(condition)
            second = {**second, "seen": seen}
        return {"first": self.first.begin_row(state["first"]), "second": second}

    def at(self, state, inputs, column, beside=None):
        """The state, and outputs `(batch, channels)` of a position with its inputs."""
        first = self.first.put(state["first"], ops.elu(inputs), column)
        hidden = self._between(self.first.at(first, column), beside)
        second = self.second.put(state["second"], hidden, column)
        outputs = inputs + _gated(self.second.at(second, column))
        return {"first": first, "second": second}, outputs

    def end_row(self, state):
        """The state before the next row."""
        return {
            "first": self.first.end_row(state["first"]),
            "second": self.second.end_row(state["second"]),
        }


def _gated(halves):
    signal, gate = ops.split(halves, 2, axis=-1)
    return signal * ops.sigmoid(gate)

"""The Row LSTM of PixelRNN."""

import keras
from keras import ops

from vqzoo.arguments import Configured
from vqzoo.layers.causal.masked_conv2d import MaskedConv2D
from vqzoo.ops import put_at


@keras.saving.register_keras_serializable("vqzoo")
class RowLSTM(Configured, keras.layers.Layer):
    """A convolutional LSTM that goes over a grid from the top row to the bottom one.

    The gates of a position come from the inputs to its left and its own, and from the
    hidden states of the row above within reach of the kernel; the cell state is that
    of the position above. So a position depends on a triangle of positions before it.

    For sampling, the layer also works step by step on a state: `start`, `begin_row`,
    for each position `at`, and `end_row`.

    Args:
        units: int, channels of the hidden state.
        kernel_size: odd int, width of both convolutions.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, height, width, units)`, in (-1, 1).
    Raises: ValueError: if a size is not positive or the kernel is not odd.
    Source: van den Oord et al. 2016, arXiv 1601.06759, section 3.1 and equation 3.
        Differs: nothing.
    Example:
        >>> RowLSTM(16)(np.ones((1, 4, 4, 8), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(self, units, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self._keep(locals())
        self.of_inputs = MaskedConv2D(
            4 * units, (1, kernel_size), "B", name="of_inputs", dtype=self.dtype_policy
        )
        self.of_states = keras.layers.Conv1D(
            4 * units,
            kernel_size,
            padding="same",
            use_bias=False,
            name="of_states",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.of_inputs.build(input_shape)
        self.of_states.build((input_shape[0], input_shape[2], self.units))

    def call(self, inputs):
        gates = ops.transpose(self.of_inputs(inputs), (1, 0, 2, 3))
        zeros = ops.zeros_like(gates[0, ..., : self.units])

        def step_row(state, gates):
            hidden, cell = state
            state = lstm_step(gates + self.of_states(hidden), cell)
            return state, state  # TensorFlow's scan wants as many outputs as states

        _, (rows, _) = ops.scan(step_row, (zeros, zeros), gates)
        return ops.transpose(rows, (1, 0, 2, 3))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def start(self, batch_size, width):
        """The state before the first row.

        Returns:
            dict: `inputs`, the state of the convolution over them; `hidden` and `cell`
            `(batch, width, units)` of the row above, `row_hidden` and `row_cell` of the
            row so far.
        """
        zeros = ops.zeros((batch_size, width, self.units), self.compute_dtype)
        names = ("hidden", "cell", "row_hidden", "row_cell")
        inputs = self.of_inputs.start(batch_size, width)
        return {"inputs": inputs, **{name: zeros for name in names}}

    def begin_row(self, state):
        """The state before a row, with what the row above gives to its gates."""
        inputs = self.of_inputs.begin_row(state["inputs"])
        seen = inputs["seen"] + self.of_states(state["hidden"])
        return {**state, "inputs": {**inputs, "seen": seen}}

    def at(self, state, inputs, column):
        """The state, and outputs `(batch, units)` of a position with its inputs."""
        input_state = self.of_inputs.put(state["inputs"], inputs, column)
        above = ops.take(state["cell"], column, axis=1)
        hidden, cell = lstm_step(self.of_inputs.at(input_state, column), above)
        state = {
            **state,
            "inputs": input_state,
            "row_hidden": put_at(state["row_hidden"], hidden, column, axis=1),
            "row_cell": put_at(state["row_cell"], cell, column, axis=1),
        }
        return state, hidden

    def end_row(self, state):
        """The state before the next row."""
        return {
            **state,
            "inputs": self.of_inputs.end_row(state["inputs"]),
            "hidden": state["row_hidden"],
            "cell": state["row_cell"],
        }


def lstm_step(gates, cell):
    """Hidden and cell state `(..., units)` from gates `(..., 4 * units)` and a cell.

    Source: van den Oord et al. 2016, arXiv 1601.06759, equation 3.
    """
    output, forget, keep, content = ops.split(gates, 4, axis=-1)
    cell = ops.sigmoid(forget) * cell + ops.sigmoid(keep) * ops.tanh(content)
    return ops.sigmoid(output) * ops.tanh(cell), cell

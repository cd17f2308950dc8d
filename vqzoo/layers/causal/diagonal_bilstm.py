"""The Diagonal BiLSTM of PixelRNN."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_at_least
from vqzoo.layers.causal.row_lstm import lstm_step
from vqzoo.ops import put_at


@keras.saving.register_keras_serializable("vqzoo")
class DiagonalBiLSTM(Configured, keras.layers.Layer):
    """Two convolutional LSTMs that go over a grid along its diagonals.

    One goes from the top left: a position takes the states to its left and above. The
    other goes from the top right; its outputs move one row down before they are added,
    so that a position sees nothing to its right in its own row. Together a position
    sees all positions before it.

    For sampling, the layer also works step by step on a state: `start`, for each
    position `at`, and `end_row`, which runs the second LSTM over the row that is done.

    Args:
        units: int, channels of the hidden states.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, height, width, units)`, in (-2, 2).
    Raises: ValueError: if `units` is not positive.
    Source: van den Oord et al. 2016, arXiv 1601.06759, section 3.2 and figure 3.
        Differs: nothing.
    Example:
        >>> DiagonalBiLSTM(16)(np.ones((1, 4, 4, 8), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, units=units)
        self._keep(locals())
        self.of_inputs = self._dense(8 * units, "of_inputs", use_bias=True)
        # Of the states beside and above, for each of the two LSTMs.
        self.of_left = self._dense(4 * units, "of_left", use_bias=False)
        self.of_right = self._dense(4 * units, "of_right", use_bias=False)

    def _dense(self, units, name, use_bias):
        return keras.layers.Dense(
            units, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.of_inputs.build(input_shape)
        states = (*input_shape[:-1], 2 * self.units)
        self.of_left.build(states)
        self.of_right.build(states)

    def call(self, inputs):
        left, right = ops.split(self.of_inputs(inputs), 2, axis=-1)
        from_left = self._along_diagonals(left, self.of_left)
        right = self._along_diagonals(ops.flip(right, axis=2), self.of_right)
        right = ops.flip(right, axis=2)
        down = ops.pad(right[:, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
        return from_left + down

    def _along_diagonals(self, gates, of_states):
        """Hidden states of the LSTM from the top left, for its gates."""
        height, width = gates.shape[1:3]
        columns = height + width - 1
        # Row i moved i places to the right: a diagonal becomes a column.
        column = np.arange(columns)[None] - np.arange(height)[:, None]
        inside = (column >= 0) & (column < width)
        places = np.arange(height)[:, None] * width + np.clip(column, 0, width - 1)
        flat = ops.reshape(gates, (-1, height * width, 4 * self.units))
        skewed = ops.take(flat, places.T, axis=1)
        skewed = ops.transpose(skewed, (1, 0, 2, 3))
        zeros = ops.zeros_like(skewed[0, ..., : self.units])

        def step_diagonal(state, step):
            hidden, cell = state
            gates, inside = step
            above = ops.pad(hidden[:, :-1], [[0, 0], [1, 0], [0, 0]])
            beside = of_states(ops.concatenate([hidden, above], axis=-1))
            hidden, cell = lstm_step(gates + beside, cell)
            state = (hidden * inside, cell * inside)
            return state, state  # TensorFlow's scan wants as many outputs as states

        masks = ops.cast(inside.T[:, :, None], gates.dtype)
        _, (hidden, _) = ops.scan(step_diagonal, (zeros, zeros), (skewed, masks))
        hidden = ops.reshape(
            ops.transpose(hidden, (1, 0, 2, 3)), (-1, columns * height, self.units)
        )
        diagonal = np.arange(height)[:, None] + np.arange(width)[None]
        places = diagonal * height + np.arange(height)[:, None]
        return ops.take(hidden, places, axis=1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def start(self, batch_size, width):
        """The state before the first row.

        Returns:
            dict: `hidden` and `cell` `(batch, units)` of the position to the left;
            `above` `(batch, width, units)`, hidden states of the row above; `row`, of
            the row so far; `gates` `(batch, width, 4 * units)`, for the second LSTM in
            the row so far; `from_right`, its hidden states in the row above.
        """

        def zeros(*shape):
            return ops.zeros((batch_size, *shape), self.compute_dtype)

        return {
            "hidden": zeros(self.units),
            "cell": zeros(self.units),
            "above": zeros(width, self.units),
            "row": zeros(width, self.units),
            "gates": zeros(width, 4 * self.units),
            "from_right": zeros(width, self.units),
        }

    def begin_row(self, state):
        """The state before a row: what the rows above give is there already."""
        return state

    def at(self, state, inputs, column):
        """The state, and outputs `(batch, units)` of a position with its inputs."""
        left, right = ops.split(self.of_inputs(inputs), 2, axis=-1)
        above = ops.take(state["above"], column, axis=1)
        beside = self.of_left(ops.concatenate([state["hidden"], above], axis=-1))
        hidden, cell = lstm_step(left + beside, state["cell"])
        state = {
            **state,
            "hidden": hidden,
            "cell": cell,
            "row": put_at(state["row"], hidden, column, axis=1),
            "gates": put_at(state["gates"], right, column, axis=1),
        }
        return state, hidden + ops.take(state["from_right"], column, axis=1)

    def end_row(self, state):
        """The state before the next row, with the second LSTM's states of this one."""
        zeros = ops.zeros_like(state["hidden"])

        def step_column(carried, step):
            hidden, cell = carried
            gates, above = step
            beside = self.of_right(ops.concatenate([hidden, above], axis=-1))
            state = lstm_step(gates + beside, cell)
            return state, state

        columns = (
            ops.transpose(state["gates"], (1, 0, 2)),
            ops.transpose(state["from_right"], (1, 0, 2)),
        )
        _, (hidden, _) = ops.scan(step_column, (zeros, zeros), columns, reverse=True)
        return {
            **state,
            "hidden": zeros,
            "cell": zeros,
            "above": state["row"],
            "from_right": ops.transpose(hidden, (1, 0, 2)),
        }

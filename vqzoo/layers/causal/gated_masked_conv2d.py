"""A gated causal convolution over a grid, without a blind spot."""

import keras
from keras import ops

from vqzoo.arguments import Configured
from vqzoo.layers.causal.masked_conv2d import MaskedConv2D


@keras.saving.register_keras_serializable("vqzoo")
class GatedMaskedConv2D(Configured, keras.layers.Layer):
    """Two gated stacks that together see all positions before the current one.

    The vertical stack sees the rows above, the horizontal one the positions to the left
    and, through a linear map, what the vertical stack holds. Each gives
    tanh(a) * sigmoid(b) of its two halves; the horizontal one adds its input. The two
    stacks travel in one tensor, the vertical one first.

    For sampling, the layer also works row by row and position by position: `start`, for
    each row `begin_row`, for each position `at` (and of type A `put`), and `end_row`.

    Args:
        filters: int, channels of each stack.
        kernel_size: odd int.
        mask_type: `"A"` in the first layer, `"B"` in the others.
    Input shape: `(batch, height, width, 2 * channels)`, float, and a condition that
        broadcasts to `(batch, height, width, any)`, or None.
    Output shape: `(batch, height, width, 2 * filters)`.
    Raises: ValueError: if the arguments are not those of a masked convolution, or the
        number of channels is odd.
    Source: van den Oord et al. 2016, arXiv 1606.05328, section 2.3 and figure 2.
        Differs: a horizontal residual only where the channels agree, which they do not
        in the first layer.
    Example:
        >>> GatedMaskedConv2D(16, 3, "A")(np.ones((1, 8, 8, 4), "float32")).shape
        TensorShape([1, 8, 8, 32])
    """

    def __init__(self, filters, kernel_size, mask_type, **kwargs):
        super().__init__(**kwargs)
        self._keep(locals())
        options = {"mask_type": mask_type, "dtype": self.dtype_policy}
        self.vertical = MaskedConv2D(
            2 * filters, kernel_size, by_row=True, name="vertical", **options
        )
        self.horizontal = MaskedConv2D(
            2 * filters, (1, kernel_size), name="horizontal", **options
        )
        self.link = keras.layers.Dense(
            2 * filters, use_bias=False, name="link", dtype=self.dtype_policy
        )
        self.point = keras.layers.Dense(filters, name="point", dtype=self.dtype_policy)
        self.condition = None

    def build(self, inputs_shape, condition_shape=None):
        channels, odd = divmod(inputs_shape[-1], 2)
        if odd:
            raise ValueError(
                "expected an even number of channels, one half for each stack, "
                f"received shape={tuple(inputs_shape)}"
            )
        half = (*inputs_shape[:-1], channels)
        self.vertical.build(half)
        self.horizontal.build(half)
        self.link.build((*inputs_shape[:-1], 2 * self.filters))
        self.point.build((*inputs_shape[:-1], self.filters))
        if condition_shape is not None:
            self.condition = keras.layers.Dense(
                4 * self.filters,
                use_bias=False,
                name="condition",
                dtype=self.dtype_policy,
            )
            self.condition.build(condition_shape)
        self._is_residual = self.mask_type == "B" and channels == self.filters

    def call(self, inputs, condition=None):
        vertical, horizontal = ops.split(inputs, 2, axis=-1)
        vertical_bias, horizontal_bias = self._biases(condition)
        seen = self.vertical(vertical)
        gates = self.horizontal(horizontal) + self.link(seen) + horizontal_bias
        outputs = self._residual(horizontal, _gated(gates))
        return ops.concatenate([_gated(seen + vertical_bias), outputs], axis=-1)

    def _biases(self, condition):
        """What a condition adds before the gates of the two stacks."""
        if condition is None:
            return 0.0, 0.0
        return ops.split(self.condition(condition), 2, axis=-1)

    def _residual(self, inputs, gated):
        outputs = self.point(gated)
        return inputs + outputs if self._is_residual else outputs

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        return (*inputs_shape[:-1], 2 * self.filters)

    def start(self, batch_size, width):
        """The state before the first row: a dict for each of the two stacks."""
        return {
            "vertical": self.vertical.start(batch_size, width),
            "horizontal": self.horizontal.start(batch_size, width),
        }

    def begin_row(self, state, row, condition=None):
        """Runs the vertical stack over a row.

        Args:
            state: as from `start` or `end_row`.
            row: `(batch, width, channels)`, the vertical stack's inputs of the row; of
                type A, which sees only the rows above, None.
            condition: of the row, broadcasts to `(batch, width, any)`, or None.

        Returns:
            `(state, outputs)`, outputs of the vertical stack `(batch, width, filters)`.
        """
        vertical = state["vertical"]
        if row is not None:
            vertical = self.vertical.put_row(vertical, row)
        vertical = self.vertical.begin_row(vertical)
        vertical_bias, horizontal_bias = self._biases(condition)
        seen = vertical["seen"]
        horizontal = self.horizontal.begin_row(state["horizontal"])
        gates = horizontal["seen"] + self.link(seen) + horizontal_bias
        state = {"vertical": vertical, "horizontal": {**horizontal, "seen": gates}}
        return state, _gated(seen + vertical_bias)

    def at(self, state, inputs, column):
        """Runs the horizontal stack at a position of the row.

        Args:
            state: as from `begin_row`.
            inputs: `(batch, channels)` of the position; of type A, which does not see
                it, None.
            column: int or int tensor.

        Returns:
            `(state, outputs)`, outputs `(batch, filters)`.
        """
        if self.mask_type == "B":
            state = self.put(state, inputs, column)
        gated = _gated(self.horizontal.at(state["horizontal"], column))
        return state, self._residual(inputs, gated)

    def put(self, state, inputs, column):
        """The state with the inputs of a position; after `at`, for type A alone."""
        horizontal = self.horizontal.put(state["horizontal"], inputs, column)
        return {**state, "horizontal": horizontal}

    def end_row(self, state, row=None):
        """The state before the next row; of type A with the inputs of the row."""
        vertical = state["vertical"]
        if row is not None:
            vertical = self.vertical.put_row(vertical, row)
        return {
            "vertical": self.vertical.end_row(vertical),
            "horizontal": self.horizontal.end_row(state["horizontal"]),
        }


def _gated(halves):
    signal, gate = ops.split(halves, 2, axis=-1)
    return ops.tanh(signal) * ops.sigmoid(gate)

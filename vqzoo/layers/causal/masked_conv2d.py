"""Convolution that sees only earlier positions, in raster order."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_one_of
from vqzoo.ops import put_at

MASK_TYPES = ("A", "B")


@keras.saving.register_keras_serializable("vqzoo")
class MaskedConv2D(Configured, keras.layers.Layer):
    """Convolution over a grid whose outputs depend only on earlier positions.

    Earlier means above, or to the left in the same row. Type A leaves out the position
    itself and stands first in a network; type B sees it. With `by_row` the whole row
    counts as one position: type A sees the rows above, type B also the whole row. The
    mask is a part of the forward expression, so that saved weights are causal as they
    are used.

    Rows of the kernel that would be masked altogether do not exist.

    For sampling, the layer also works step by step on a state: `start`, for each row
    `begin_row`, which computes what the rows above give for all of the row at once, for
    each position `put` and `at`, and `end_row`. By row there are no places: `put_row`
    takes a whole row, for type B before `begin_row`, for type A after it.

    Args:
        filters: int, output channels.
        kernel_size: odd int, or two odd ints for height and width.
        mask_type: `"A"` or `"B"`.
        by_row: bool. Whether positions of one row see all of that row, or none.
        use_bias: bool.
        kernel_initializer: Keras initializer.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, height, width, filters)`.
    Raises: ValueError: if a size is not positive, the kernel is not odd, or the mask
        leaves nothing of it.
    Source: van den Oord et al. 2016, arXiv 1601.06759, section 3.4; by rows: van den
        Oord et al. 2016, arXiv 1606.05328, section 2.2. Differs: the rows that a mask
        hides are not stored.
    Example:
        >>> MaskedConv2D(64, 7, "A")(np.ones((1, 8, 8, 32), "float32")).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(
        self,
        filters,
        kernel_size,
        mask_type,
        *,
        by_row=False,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        sides = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
        check_at_least(1, filters=filters)
        if len(sides) != 2 or any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(
                "expected a kernel_size of odd positive ints, received "
                f"kernel_size={kernel_size}"
            )
        check_one_of(MASK_TYPES, mask_type=mask_type)
        self._keep(locals())
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._above, self._beside = (side // 2 for side in sides)
        self._num_taps = self._beside + (mask_type == "B")  # of the row itself
        self._mask = _mask(self._above, self._beside, mask_type, by_row)
        if not self._mask.any():
            raise ValueError(
                "expected a mask that leaves a part of the kernel, received "
                f"kernel_size={kernel_size}, mask_type={mask_type!r}, by_row={by_row}"
            )

    def build(self, input_shape):
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self._mask.shape[:2], channels, self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )

    def _masked_kernel(self):
        kernel = ops.cast(self.kernel, self.compute_dtype)
        if self._mask.all():
            return kernel
        return kernel * ops.cast(self._mask, self.compute_dtype)

    def _add_bias(self, outputs):
        if self.bias is None:
            return outputs
        return outputs + ops.cast(self.bias, self.compute_dtype)

    def call(self, inputs):
        missing = self._above + 1 - self._mask.shape[0]  # by rows, type A: its own
        sides = [[0, 0], [self._above, 0], [self._beside, self._beside], [0, 0]]
        padded = ops.pad(inputs, sides)
        padded = padded[:, :-missing] if missing else padded
        outputs = ops.conv(padded, self._masked_kernel(), padding="valid")
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def start(self, batch_size, width):
        """The state before the first row.

        Returns:
            dict: `above` `(batch, rows, padded width, C)`, the rows that the kernel
            reaches; `row`, the row so far; `seen` `(batch, width, filters)`, what the
            rows above give to it; `taps`, the kernel of the row itself, but by row.
        """
        channels = self.kernel.shape[2]
        padded = width + 2 * self._beside
        state = {
            "above": self._zeros(batch_size, self._above, padded, channels),
            "row": self._zeros(batch_size, padded, channels),
            "seen": self._zeros(batch_size, width, self.filters),
        }
        if not self.by_row:
            taps = ops.cast(self.kernel[-1, : self._num_taps], self.compute_dtype)
            sides = (self._num_taps * channels, self.filters)
            state["taps"] = ops.reshape(taps, sides)
        return state

    def _zeros(self, *shape):
        return ops.zeros(shape, self.compute_dtype)

    def begin_row(self, state):
        """The state with what the rows above give to the row: `seen`.

        By row this is all that there is; type B has its row from `put_row`.
        """
        if self.by_row and self.mask_type == "B":
            window = ops.concatenate([state["above"], state["row"][:, None]], axis=1)
            kernel = self.kernel
        else:
            window, kernel = state["above"], self.kernel[: self._above]
        if not kernel.shape[0]:
            seen = ops.zeros_like(state["seen"])
        else:
            kernel = ops.cast(kernel, self.compute_dtype)
            seen = ops.conv(window, kernel, padding="valid")[:, 0]
        return {**state, "seen": self._add_bias(seen)}

    def put(self, state, inputs, column):
        """The state with the inputs `(batch, C)` of a position of the row."""
        row = put_at(state["row"], inputs, column + self._beside, axis=1)
        return {**state, "row": row}

    def at(self, state, column):
        """Outputs `(batch, filters)` of a position of the row."""
        batch, _, channels = ops.shape(state["row"])
        reached = ops.slice(
            state["row"], (0, column, 0), (batch, self._num_taps, channels)
        )
        reached = ops.reshape(reached, (batch, self._num_taps * channels))
        seen = ops.take(state["seen"], column, axis=1)
        return seen + ops.matmul(reached, state["taps"])

    def put_row(self, state, inputs):
        """The state with the inputs `(batch, width, C)` of a whole row."""
        sides = [[0, 0], [self._beside, self._beside], [0, 0]]
        return {**state, "row": ops.pad(inputs, sides)}

    def end_row(self, state):
        """The state one row further down, nothing known of that row."""
        above = ops.concatenate([state["above"], state["row"][:, None]], axis=1)
        return {**state, "above": above[:, 1:], "row": ops.zeros_like(state["row"])}


def _mask(above, beside, mask_type, by_row):
    """What a position may see: float32 `(rows, 2 * beside + 1, 1, 1)`, 0 or 1."""
    sees_itself = mask_type == "B"
    rows = above + (sees_itself or not by_row)
    mask = np.ones((rows, 2 * beside + 1, 1, 1), "float32")
    if not by_row:
        mask[-1, beside + sees_itself :] = 0
    return mask

"""Convolution that sees only what comes before, in raster order."""

import keras
import numpy as np
from keras import ops

MASK_TYPES = ("A", "B")


@keras.saving.register_keras_serializable("vqzoo")
class MaskedConv2D(keras.layers.Layer):
    """Convolution over a grid whose output at a place depends on earlier places alone.

    Earlier is above, or to the left in the same row. Type A leaves out the place itself
    and stands first in a network; type B sees it. With `by_row` the whole row counts as
    one place: type A sees the rows above, type B also the whole row. The mask is a part
    of the forward expression, so that saved weights are causal as they are used.

    Rows of the kernel below its center would be masked altogether and do not exist.

    For sampling, the layer also works place by place on a window of the last rows:
    `start`, then for each row `end_row` and for each place `put` and `at`, or for each
    row `put_row` and `row`.

    Args:
        filters: int, output channels.
        kernel_size: odd int, or two odd ints for height and width.
        mask_type: `"A"` or `"B"`.
        by_row: bool. Whether places of one row see all of that row, or none.
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
        if filters < 1:
            raise ValueError(f"expected filters of at least 1, received {filters=}")
        if len(sides) != 2 or any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(
                "expected a kernel_size of odd positive ints, received "
                f"kernel_size={kernel_size}"
            )
        if mask_type not in MASK_TYPES:
            raise ValueError(
                f"expected mask_type to be one of {MASK_TYPES}, received "
                f"mask_type={mask_type!r}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.mask_type = mask_type
        self.by_row = by_row
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._above, self._beside = (side // 2 for side in sides)
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
        return kernel * ops.cast(self._mask, self.compute_dtype)

    def _add_bias(self, outputs):
        if self.bias is None:
            return outputs
        return outputs + ops.cast(self.bias, self.compute_dtype)

    def call(self, inputs):
        sides = [[0, 0], [self._above, 0], [self._beside, self._beside], [0, 0]]
        return self._valid(ops.pad(inputs, sides))

    def _valid(self, padded):
        outputs = ops.conv(padded, self._masked_kernel(), padding="valid")
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def start(self, batch_size, width):
        """The window before the first row: zeros `(batch, rows, padded width, C)`."""
        shape = (
            batch_size,
            self._above + 1,
            width + 2 * self._beside,
            self.kernel.shape[2],
        )
        return ops.zeros(shape, self.compute_dtype)

    def put(self, window, inputs, column):
        """The window with the inputs `(batch, C)` of a place in its last row."""
        start = (0, self._above, column + self._beside, 0)
        return ops.slice_update(window, start, inputs[:, None, None])

    def at(self, window, column):
        """Outputs `(batch, filters)` of a place in the last row."""
        sides = (*self._mask.shape[:2], window.shape[-1])
        part = ops.slice(window, (0, 0, column, 0), (ops.shape(window)[0], *sides))
        kernel = ops.reshape(self._masked_kernel(), (-1, self.filters))
        rows = ops.reshape(part, (-1, kernel.shape[0]))
        return self._add_bias(ops.matmul(rows, kernel))

    def put_row(self, window, inputs):
        """The window with the inputs `(batch, width, C)` of its last row."""
        sides = [[0, 0], [self._beside, self._beside], [0, 0]]
        row = ops.pad(inputs, sides)[:, None]
        return ops.concatenate([window[:, :-1], row], axis=1)

    def row(self, window):
        """Outputs `(batch, width, filters)` of the last row."""
        return self._valid(window)[:, 0]

    def end_row(self, window):
        """The window one row further down, its last row empty."""
        return ops.concatenate([window[:, 1:], ops.zeros_like(window[:, :1])], axis=1)

    def get_config(self):
        config = super().get_config()
        config.update(
            filters=self.filters,
            kernel_size=self.kernel_size,
            mask_type=self.mask_type,
            by_row=self.by_row,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config


def _mask(above, beside, mask_type, by_row):
    """What a place may see: float32 `(above + 1, 2 * beside + 1, 1, 1)`, 0 or 1."""
    mask = np.ones((above + 1, 2 * beside + 1, 1, 1), "float32")
    sees_itself = mask_type == "B"
    if by_row:
        mask[-1] = sees_itself
    else:
        mask[-1, beside + sees_itself :] = 0
    return mask

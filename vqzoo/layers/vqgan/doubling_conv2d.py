"""Nearest-neighbor upsampling and a convolution, in one."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_positive_ints

# Of the rows of a doubled image that a kernel of 3 rows sees, which are one row of the
# image: for the lower neighbor of a row in between and for the upper, each by the two
# rows of the image and the three of the kernel.
_ROWS = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], "float32")


@keras.saving.register_keras_serializable("vqzoo")
class DoublingConv2D(Configured, keras.layers.Layer):
    """A 3 x 3 convolution of the image with each pixel repeated in a square of four.

    At most four of the nine pixels under the kernel differ. So a 2 x 2 convolution of
    the image itself, with sums of the weights, gives the same result with 4/9 of the
    multiplications.

    Args:
        filters: int, channels of the output.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, 2 * height, 2 * width, filters)`.
    State: kernel `(3, 3, channels, filters)` and bias `(filters,)`, trainable.
    Source: Odena et al. 2016, Deconvolution and checkerboard artifacts; Shi et al.
        2016, arXiv 1609.07009. Differs: the two are one.
    Example:
        >>> DoublingConv2D(8)(np.ones((1, 4, 6, 16), "float32")).shape
        TensorShape([1, 8, 12, 8])
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        check_positive_ints(filters=filters)
        self._keep(locals())

    def build(self, input_shape):
        shape = (3, 3, input_shape[-1], self.filters)
        # Sums of weights are rounded once.
        options = {"initializer": "glorot_uniform", "autocast": False}
        self.kernel = self.add_weight(name="kernel", shape=shape, **options)
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        sides = (side and 2 * side for side in (height, width))
        return (batch, *sides, self.filters)

    def call(self, inputs):
        _, height, width, channels = ops.shape(inputs)
        kernel = ops.cast(self.kernel, "float32")
        kernel = ops.einsum("pay,qbx,yxio->abipqo", _ROWS, _ROWS, kernel)
        kernel = ops.reshape(kernel, (2, 2, channels, 4 * self.filters))
        padded = ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        outputs = ops.conv(padded, ops.cast(kernel, inputs.dtype))
        squares = (-1, height + 1, width + 1, 2, 2, self.filters)
        outputs = ops.transpose(ops.reshape(outputs, squares), (0, 1, 3, 2, 4, 5))
        sides = (2 * height + 2, 2 * width + 2)
        outputs = ops.reshape(outputs, (-1, *sides, self.filters))
        return outputs[:, 1:-1, 1:-1] + self.bias

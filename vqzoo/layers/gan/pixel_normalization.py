"""Features of length 1 at each position."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_positive


@keras.saving.register_keras_serializable("vqzoo")
class PixelNormalization(Configured, keras.layers.Layer):
    """Divides the features of each position by their root mean square.

    Args:
        epsilon: float, added to the mean square.
    Input shape: `(batch, ..., channels)`, float.
    Output shape: same; a mean square of 1 over the channels.
    Raises: ValueError: if `epsilon` is not positive.
    Source: Karras et al. 2018, arXiv 1710.10196, section 4.2. Differs: nothing.
    Example:
        >>> PixelNormalization()(np.ones((2, 4, 4, 8), "float32")).shape
        TensorShape([2, 4, 4, 8])
    """

    def __init__(self, epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        check_positive(epsilon=epsilon)
        self._keep(locals())

    def call(self, inputs):
        features = ops.cast(inputs, "float32")
        square = ops.mean(ops.square(features), axis=-1, keepdims=True)
        return ops.cast(features * ops.rsqrt(square + self.epsilon), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

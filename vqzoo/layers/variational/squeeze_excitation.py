"""Channel weights that an image chooses for itself."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least

_MIN_HIDDEN = 4


@keras.saving.register_keras_serializable("vqzoo")
class SqueezeExcitation(Configured, keras.layers.Layer):
    """Weighs each channel by a number in (0, 1) that the whole image decides on.

    Args:
        reduction: int, how many channels share a hidden unit; at least 4 units remain.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if `reduction` is not positive.
    Source: Hu et al. 2018, arXiv 1709.01507, section 3. Differs: nothing.
    Example:
        >>> SqueezeExcitation()(np.ones((1, 8, 8, 64), "float32")).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, reduction=16, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, reduction=reduction)
        self._keep(locals())

    def build(self, input_shape):
        channels = input_shape[-1]
        num_hidden = max(channels // self.reduction, _MIN_HIDDEN)
        self.squeeze = keras.layers.Dense(
            num_hidden, activation="relu", name="squeeze", dtype=self.dtype_policy
        )
        self.squeeze.build((None, channels))
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", name="excite", dtype=self.dtype_policy
        )
        self.excite.build((None, num_hidden))

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        weights = self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))
        return inputs * weights[:, None, None, :]

"""Self-attention over a grid, added to what came in."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_positive_ints
from vqzoo.layers.vqgan.group_norm import GroupNorm


@keras.saving.register_keras_serializable("vqzoo")
class GridAttention(Configured, keras.layers.Layer):
    """Adds to each position what one head of attention over all positions gives.

    Queries, keys and values are made of the normalized input and have all channels.

    Args:
        num_groups: int, groups of the normalization. Defaults to 32.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if the channels do not divide by `num_groups`.
    Source: Esser et al. 2020, arXiv 2012.09841, appendix, table 7. Differs: nothing.
    Example:
        >>> GridAttention()(np.ones((1, 4, 4, 32), "float32")).shape
        TensorShape([1, 4, 4, 32])
    """

    def __init__(self, *, num_groups=32, **kwargs):
        super().__init__(**kwargs)
        check_positive_ints(num_groups=num_groups)
        self._keep(locals())

    def build(self, input_shape):
        policy = {"dtype": self.dtype_policy}
        self.norm = GroupNorm(self.num_groups, name="norm", **policy)
        self.norm.build(input_shape)
        channels = input_shape[-1]
        names = ("query", "key", "value", "result")
        for name in names:
            layer = keras.layers.Dense(channels, name=name, **policy)
            layer.build((input_shape[0], None, channels))
            setattr(self, name, layer)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        shape = ops.shape(inputs)
        flat = ops.reshape(self.norm(inputs), (-1, shape[1] * shape[2], shape[3]))
        keys = ops.swapaxes(self.key(flat), 1, 2)
        scores = ops.cast(ops.matmul(self.query(flat), keys), "float32")
        weights = ops.softmax(scores * shape[3] ** -0.5, axis=-1)
        attended = ops.matmul(ops.cast(weights, inputs.dtype), self.value(flat))
        return inputs + ops.reshape(self.result(attended), shape)

"""Self-attention over a grid, behind a gate that starts shut."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least


@keras.saving.register_keras_serializable("vqzoo")
class SelfAttention(Configured, keras.layers.Layer):
    """Adds attention over all positions, times a learned scale, to each position.

    The scale starts at 0, so that the layer begins as the identity and takes in what is
    far away as it learns to. Values have half of the channels.

    Args:
        reduction: int, channels over those of queries and keys.
    Input shape: `(batch, height, width, channels)`, float, `reduction` channels or
        more.
    Output shape: same.
    State: scale `()`, gamma in the paper, trainable.
    Raises: ValueError: if `reduction` is not positive, or there are fewer channels.
    Source: Zhang et al. 2018, arXiv 1805.08318, section 3; Coppock's thesis, section
        3.2 and figure 3.4. Differs: keys and values are not pooled.
    Example:
        >>> SelfAttention()(np.ones((2, 4, 4, 16), "float32")).shape
        TensorShape([2, 4, 4, 16])
    """

    def __init__(self, reduction=8, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, reduction=reduction)
        self._keep(locals())

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels < self.reduction:
            raise ValueError(
                f"expected at least {self.reduction} channels, received "
                f"shape={tuple(input_shape)}"
            )
        places = (input_shape[0], None, channels)

        def dense(units, name, of):
            layer = keras.layers.Dense(
                units, use_bias=False, name=name, dtype=self.dtype_policy
            )
            layer.build(of)
            return layer

        self.queries = dense(channels // self.reduction, "queries", places)
        self.keys = dense(channels // self.reduction, "keys", places)
        self.values = dense(channels // 2, "values", places)
        self.outputs = dense(channels, "outputs", (input_shape[0], None, channels // 2))
        self.scale = self.add_weight(name="scale", shape=(), initializer="zeros")

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        flat = ops.reshape(inputs, (-1, height * width, channels))
        scores = ops.matmul(self.queries(flat), ops.swapaxes(self.keys(flat), -1, -2))
        weights = ops.softmax(ops.cast(scores, "float32"), axis=-1)
        attended = ops.matmul(ops.cast(weights, self.compute_dtype), self.values(flat))
        outputs = ops.reshape(self.outputs(attended), (-1, height, width, channels))
        return inputs + self.scale * outputs

    def compute_output_shape(self, input_shape):
        return input_shape

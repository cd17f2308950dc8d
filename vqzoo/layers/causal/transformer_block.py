"""A transformer block over a grid."""

import keras

from vqzoo.arguments import Configured, check_at_least, check_shares
from vqzoo.layers.causal.causal_self_attention import CausalSelfAttention


@keras.saving.register_keras_serializable("vqzoo")
class TransformerBlock(Configured, keras.layers.Layer):
    """Self-attention and a perceptron of one hidden layer, each added to its input.

    Layer normalization stands before each. For sampling, a causal block also works step
    by step on a state: `start`, for each position `at`, and `end_row`.

    Args:
        num_heads: int; they share the channels.
        hidden_channels: int, of the perceptron.
        causal: bool. Whether a position sees only itself and the positions before it,
            in raster order, or all positions.
        dropout: float in [0, 1), of what is added.
        seed: int or None, of the dropout.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    Raises: ValueError: if a size is not positive, `dropout` is not in [0, 1), or the
        heads do not divide the channels.
    Source: Vaswani et al. 2017, arXiv 1706.03762; normalization before each part:
        Radford et al. 2019 (GPT-2). Differs: nothing.
    Example:
        >>> TransformerBlock(2, 64)(np.ones((1, 4, 4, 16), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        num_heads,
        hidden_channels,
        *,
        causal=True,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_at_least(1, num_heads=num_heads)
        check_shares(dropout=dropout)
        self._keep(locals())
        dtype = self.dtype_policy
        self.norms = [
            keras.layers.LayerNormalization(name=f"norm_{i}", dtype=dtype)
            for i in range(2)
        ]
        self.hidden = keras.layers.Dense(
            hidden_channels, activation="gelu", name="hidden", dtype=dtype
        )
        self.drop = keras.layers.Dropout(dropout, seed=seed, name="drop", dtype=dtype)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.num_heads:
            raise ValueError(
                "expected num_heads to divide the channels, received "
                f"num_heads={self.num_heads}, shape={tuple(input_shape)}"
            )
        dtype, size = self.dtype_policy, channels // self.num_heads
        for norm in self.norms:
            norm.build(input_shape)
        if self.causal:
            self.attention = CausalSelfAttention(
                self.num_heads, size, sees_itself=True, name="attention", dtype=dtype
            )
            self.attention.build(input_shape)
            self.mix = keras.layers.Dense(channels, name="mix", dtype=dtype)
            self.mix.build(input_shape)
        else:
            self.attention = keras.layers.MultiHeadAttention(
                self.num_heads,
                size,
                attention_axes=(1, 2),
                name="attention",
                dtype=dtype,
            )
            self.attention.build(input_shape, input_shape)
        self.outputs = keras.layers.Dense(channels, name="outputs", dtype=dtype)
        self.hidden.build(input_shape)
        self.outputs.build((*input_shape[:-1], self.hidden_channels))

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs, training=None):
        training = training and self.trainable
        normed = self.norms[0](inputs)
        if self.causal:
            attended = self.mix(self.attention(normed))
        else:
            attended = self.attention(normed, normed)
        hidden = inputs + self.drop(attended, training=training)
        return hidden + self.drop(self._perceptron(hidden), training=training)

    def _perceptron(self, inputs):
        return self.outputs(self.hidden(self.norms[1](inputs)))

    def start(self, batch_size, grid_shape):
        """The state before the first row."""
        return self.attention.start(batch_size, grid_shape)

    def at(self, state, inputs, column):
        """The state, and outputs `(batch, channels)` of a position with its inputs."""
        normed = self.norms[0](inputs)
        state = self.attention.put(state, normed, column)
        hidden = inputs + self.mix(self.attention.at(state, normed, column))
        return state, hidden + self._perceptron(hidden)

    def end_row(self, state):
        """The state before the next row."""
        return self.attention.end_row(state)

"""A transformer block as large language models have it, over a grid."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_shares
from vqzoo.layers.causal.causal_self_attention import CausalSelfAttention


@keras.saving.register_keras_serializable("vqzoo")
class RotaryTransformerBlock(Configured, keras.layers.Layer):
    """Self-attention with rotary positions, and a gated perceptron (SwiGLU).

    Root mean squares are normalized before each part, and in queries and keys. With
    `adaptive` each position brings six modulations: shift and scale of what goes into a
    part and the gate of what comes out of it, for both parts; the block adds values of
    its own to them. For sampling it works step by step on a state: `start`, for each
    position `at`, or `row` for a row that is known, and `end_row`.

    Args:
        num_heads: int; channels per head must be a multiple of 4.
        hidden_channels: int, of the perceptron.
        adaptive: bool. Whether calls take modulations.
        window: int or None, rows that a position sees: see `CausalSelfAttention`.
        grids: sequence of grids or None, as in `CausalSelfAttention`: None is causal.
            Sampling over grids takes one at a time, by `extend`.
        num_tokens: int, places behind the grid: see `CausalSelfAttention`.
        dropout: float in [0, 1), of the residual branches.
        seed: int or None, of the dropout.
    Input shape: `(batch, height, width, channels)`, float; with `adaptive` modulations
        `(batch, height or 1, width or 1, 6 * channels)` too.
    Output shape: `(batch, height, width, channels)`.
    Raises: ValueError: if a size is not positive, `dropout` is not in [0, 1), or the
        heads do not divide the channels into multiples of 4.
    Source: Touvron et al. 2023 (LLaMA), arXiv 2302.13971, section 2.2; adaptive norms:
        Peebles and Xie 2023 (DiT), arXiv 2212.09748, one map for all blocks as in Chen
        et al. 2023 (PixArt), arXiv 2310.00426. Differs: normalized queries and keys.
    Example:
        >>> RotaryTransformerBlock(2, 64)(np.ones((1, 4, 4, 16), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        num_heads,
        hidden_channels,
        *,
        adaptive=False,
        window=None,
        grids=None,
        num_tokens=0,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_at_least(1, num_heads=num_heads, hidden_channels=hidden_channels)
        check_shares(dropout=dropout)
        self._keep(locals())
        dtype = self.dtype_policy
        self.norms = [
            keras.layers.RMSNormalization(name=f"norm_{i}", dtype=dtype)
            for i in range(2)
        ]
        self.hidden, self.gate = (
            keras.layers.Dense(
                hidden_channels,
                activation=activation,
                use_bias=False,
                name=name,
                dtype=dtype,
            )
            for name, activation in (("hidden", None), ("gate", "silu"))
        )
        self.drop = keras.layers.Dropout(dropout, seed=seed, name="drop", dtype=dtype)

    def build(self, inputs_shape, modulations_shape=None):
        channels = inputs_shape[-1]
        if channels % (4 * self.num_heads):
            raise ValueError(
                "expected heads of a multiple of 4 channels, received "
                f"num_heads={self.num_heads}, shape={tuple(inputs_shape)}"
            )
        dtype = self.dtype_policy
        self.attention = CausalSelfAttention(
            self.num_heads,
            channels // self.num_heads,
            sees_itself=True,
            use_bias=False,
            rotary=True,
            grids=self.grids,
            num_tokens=self.num_tokens,
            query_key_norm=True,
            window=self.window,
            name="attention",
            dtype=dtype,
        )
        self.mix, self.outputs = (
            keras.layers.Dense(channels, use_bias=False, name=name, dtype=dtype)
            for name in ("mix", "outputs")
        )
        for layer in (*self.norms, self.attention, self.mix, self.hidden, self.gate):
            layer.build(inputs_shape)
        self.outputs.build((*inputs_shape[:-1], self.hidden_channels))
        if self.adaptive:
            self.own = self.add_weight(
                name="modulations", shape=(6 * channels,), initializer=_unmodulated
            )

    def compute_output_shape(self, inputs_shape, modulations_shape=None):
        return inputs_shape

    def call(self, inputs, modulations=None, training=None):
        return self._both(inputs, modulations, self.attention, training)

    def _both(self, inputs, modulations, attend, training=None):
        """Both parts, each added; `attend` is what attention makes of its input."""
        training = training and self.trainable
        parts = [(None, None, None)] * 2
        if self.adaptive:
            modulations = modulations + ops.cast(self.own, modulations.dtype)
            six = ops.split(modulations, 6, axis=-1)
            parts = six[:3], six[3:]

        def attended(normed):
            return self.mix(attend(normed))

        for norm, function, (shift, scale, gate) in zip(
            self.norms, (attended, self._perceptron), parts
        ):
            normed = norm(inputs)
            if self.adaptive:
                normed = normed * (1 + scale) + shift
            added = function(normed)
            if self.adaptive:
                added = added * gate
            inputs = inputs + self.drop(added, training=training)
        return inputs

    def _perceptron(self, normed):
        return self.outputs(self.gate(normed) * self.hidden(normed))

    def start(self, batch_size, grid_shape):
        """The state before the first row."""
        return self.attention.start(batch_size, grid_shape)

    def at(self, state, inputs, column, modulations=None):
        """The state, and outputs `(batch, channels)` of a position with its inputs."""
        states = [state]

        def attend(normed):
            states[0] = self.attention.put(state, normed, column)
            return self.attention.at(states[0], normed, column)

        outputs = self._both(inputs, modulations, attend)
        return states[0], outputs

    def row(self, state, inputs, modulations=None):
        """The state, and outputs `(batch, width, channels)` of a row, of its inputs."""
        return self._grown(self.attention.row, state, inputs, modulations)

    def extend(self, state, inputs, index, modulations=None):
        """The state, and outputs of the places of a grid with their inputs."""

        def extend(state, normed):
            return self.attention.extend(state, normed, index)

        return self._grown(extend, state, inputs, modulations)

    def _grown(self, grow, state, inputs, modulations):
        states = [state]

        def attend(normed):
            states[0], attended = grow(state, normed)
            return attended

        outputs = self._both(inputs, modulations, attend)
        return states[0], outputs

    def end_row(self, state):
        """The state before the next row."""
        return self.attention.end_row(state)


def _unmodulated(shape, dtype=None):
    """No shift, a scale of 1 and an open gate, for both parts."""
    channels = shape[0] // 6
    parts = [ops.zeros(2 * channels, dtype), ops.ones(channels, dtype)]
    return ops.concatenate(parts * 2)

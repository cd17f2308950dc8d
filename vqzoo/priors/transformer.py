"""A decoder-only transformer over code grids."""

import keras
from keras import ops

from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.priors.blocks import transformer_blocks
from vqzoo.registry import named


@named("transformer")
@keras.saving.register_keras_serializable("vqzoo")
class Transformer(AutoregressivePrior):
    """Autoregressive prior of causal self-attention over the codes in raster order.

    Each place takes the code before it, its position and the condition. Sampling keeps
    keys and values.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_classes: int, 0 for a prior that knows no classes.
        context: sequence of `(grid shape, number of codes)` of the tiers above, top
            first, that the prior is conditioned on. Their grids divide this one.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of the perceptrons over `num_channels`.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dropout: float in [0, 1).
        dtype: dtype policy. Defaults to the global policy.
        seed: int or None, of the dropout.
        name: str or None, of the model.
    Input shape: codes, int32 `(batch, height, width)`; for a prior with a condition a
        dict of them as `codes`, with classes `label` `(batch,)`, and the codes of the
        tiers above as `context_0`, ...
    Output shape: `(batch, height, width, K)`, float32 logits. Compile with
        `SparseCategoricalCrossentropy(from_logits=True)`: nats per code.
    Raises: ValueError: if a size is not positive, the heads do not divide the channels,
        or a grid above does not divide this one.
    Source: Vaswani et al. 2017, arXiv 1706.03762; over codes: Esser et al. 2021,
        arXiv 2012.09841. Differs: the condition is added to each place, not put before
        the sequence.
    Example:
        >>> prior = Transformer((4, 4), 16, num_layers=1, num_channels=8, num_heads=2)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 1, "num_channels": 16}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_classes=0,
        context=(),
        num_layers=8,
        num_channels=256,
        num_heads=8,
        hidden_ratio=4,
        num_condition_blocks=2,
        dropout=0.1,
        dtype=None,
        seed=None,
        name=None,
    ):
        conditions.adopt(self, grid_shape, num_embeddings, num_classes, context, dtype)
        if num_layers < 1:
            raise ValueError(
                f"expected num_layers of at least 1, received {num_layers=}"
            )
        self.num_layers = num_layers
        self.num_channels = num_channels
        self.num_heads = num_heads
        self.hidden_ratio = hidden_ratio
        self.num_condition_blocks = num_condition_blocks
        self.dropout = dropout
        self.seed = seed
        self._make_layers()
        self._connect(name)

    def _make_layers(self):
        dtype = self.layer_dtype
        self.tokens = _Tokens(
            self.grid_shape,
            self.num_embeddings,
            self.num_channels,
            dtype=dtype,
            name="tokens",
        )
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self.blocks = transformer_blocks(self, causal=True)
        self.norm = keras.layers.LayerNormalization(dtype=dtype, name="norm")
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    def _logits(self, inputs):
        hidden = self.tokens(inputs["codes"])
        condition = conditions.features(self.conditions, inputs)
        if condition is not None:
            hidden = hidden + condition
        for block in self.blocks:
            hidden = block(hidden)
        return self._head(hidden)

    def _head(self, hidden):
        return self.output_logits(self.norm(hidden))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        shape = (batch_size, self.grid_shape[1], self.num_channels)
        return {
            "blocks": [
                block.start(batch_size, self.grid_shape) for block in self.blocks
            ],
            "before": self.tokens.start(batch_size),
            "row": ops.zeros((), "int32"),
            "condition": ops.zeros(shape, self.layer_dtype.compute_dtype),
        }

    def begin_row(self, state, condition=None):
        """The state before the first place of a row, with the condition of the row."""
        condition = conditions.of_row(condition, state["condition"])
        return {**state, "condition": condition}

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        hidden = self.tokens.at(state["before"], state["row"], column)
        hidden = hidden + ops.take(state["condition"], column, axis=1)
        blocks = []
        for block, of_block in zip(self.blocks, state["blocks"]):
            of_block, hidden = block.at(of_block, hidden, column)
            blocks.append(of_block)
        return self._head(hidden), {**state, "blocks": blocks}

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        return {**state, "before": self.tokens.embedding(codes)}

    def end_row(self, state):
        """The state after the last place of a row."""
        blocks = [
            block.end_row(of_block)
            for block, of_block in zip(self.blocks, state["blocks"])
        ]
        return {**state, "blocks": blocks, "row": state["row"] + 1}

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_channels": self.num_channels,
            "num_heads": self.num_heads,
            "hidden_ratio": self.hidden_ratio,
            "num_condition_blocks": self.num_condition_blocks,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class _Tokens(keras.layers.Layer):
    """What each place takes: the code before it, and where it is."""

    def __init__(self, grid_shape, num_embeddings, channels, **kwargs):
        super().__init__(**kwargs)
        self.grid_shape = grid_shape
        self.channels = channels
        self.embedding = keras.layers.Embedding(
            num_embeddings, channels, name="embedding", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.embedding.build()
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.first = self.add_weight(
            name="first", shape=(self.channels,), initializer=small
        )
        self.positions = self.add_weight(
            name="positions",
            shape=(*self.grid_shape, self.channels),
            initializer=small,
        )

    def call(self, codes):
        height, width = self.grid_shape
        embedded = self.embedding(codes)
        embedded = ops.reshape(embedded, (-1, height * width, self.channels))
        first = ops.zeros_like(embedded[:, :1]) + self.first
        before = ops.concatenate([first, embedded[:, :-1]], axis=1)
        before = ops.reshape(before, (-1, height, width, self.channels))
        return before + self.positions

    def start(self, batch_size):
        """What stands before the first code: `(batch, channels)`."""
        zeros = ops.zeros((batch_size, self.channels), self.compute_dtype)
        return zeros + ops.cast(self.first, self.compute_dtype)

    def at(self, before, row, column):
        """Features `(batch, channels)` of a place from those of the code before it."""
        position = ops.take(ops.take(self.positions, row, axis=0), column, axis=0)
        return before + ops.cast(position, self.compute_dtype)

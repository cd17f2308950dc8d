"""What the priors that are made of transformer blocks have in common."""

import keras
from keras import ops

from vqzoo.layers import TransformerBlock
from vqzoo.priors import conditions
from vqzoo.priors.base import Prior


class TransformerPrior(Prior):
    """A prior of transformer blocks over the places of a grid.

    Abstract. A subclass calls `_take_sizes` in its constructor, and `_make_blocks` and
    `_make_head` where it makes its layers.
    """

    def _take_sizes(
        self, num_layers, num_channels, num_heads, hidden_ratio, dropout, seed
    ):
        conditions.check_at_least_1(num_layers=num_layers)
        self.num_layers = num_layers
        self.num_channels = num_channels
        self.num_heads = num_heads
        self.hidden_ratio = hidden_ratio
        self.dropout = dropout
        self.seed = seed

    def _make_blocks(self, *, causal):
        self.blocks = [
            TransformerBlock(
                self.num_heads,
                self.hidden_ratio * self.num_channels,
                causal=causal,
                dropout=self.dropout,
                seed=None if self.seed is None else self.seed + index,
                dtype=self.layer_dtype,
                name=f"block_{index}",
            )
            for index in range(self.num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(dtype=self.layer_dtype, name="norm")
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    def _hidden(self, hidden, inputs):
        """Features of all places behind the blocks, from what each place takes."""
        condition = conditions.features(self.conditions, inputs)
        if condition is not None:
            hidden = hidden + condition
        for block in self.blocks:
            hidden = block(hidden)
        return self.norm(hidden)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_channels": self.num_channels,
            "num_heads": self.num_heads,
            "hidden_ratio": self.hidden_ratio,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class CausalTransformerPrior(TransformerPrior):
    """One whose places see the places before them: the state of its sampling.

    Abstract. A subclass has `tokens`, a `PlaceTokens`.
    """

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
        condition = conditions.row_condition(condition, state["condition"])
        return {**state, "condition": condition}

    def _hidden_at(self, state, column):
        """Features `(batch, channels)` of a place behind the blocks, and the state."""
        hidden = self.tokens.at(state["before"], state["row"], column)
        hidden = hidden + ops.take(state["condition"], column, axis=1)
        blocks = []
        for block, block_state in zip(self.blocks, state["blocks"]):
            block_state, hidden = block.at(block_state, hidden, column)
            blocks.append(block_state)
        return self.norm(hidden), {**state, "blocks": blocks}

    def end_row(self, state):
        """The state after the last place of a row."""
        blocks = [
            block.end_row(block_state)
            for block, block_state in zip(self.blocks, state["blocks"])
        ]
        return {**state, "blocks": blocks, "row": state["row"] + 1}


class PlaceTokens(keras.layers.Layer):
    """What each place takes: what stands at the place before it, and where it is.

    Abstract. A subclass has layers of its own and calls `super().build` last, so that
    seeded weights stay what they were.
    """

    def __init__(self, grid_shape, channels, **kwargs):
        super().__init__(**kwargs)
        self.grid_shape = grid_shape
        self.channels = channels

    def build(self, input_shape):
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.first = self.add_weight(
            name="first", shape=(self.channels,), initializer=small
        )
        self.positions = self.add_weight(
            name="positions",
            shape=(*self.grid_shape, self.channels),
            initializer=small,
        )

    def shifted(self, known):
        """What places take, from features `(batch, h, w, channels)` of what they hold.

        The first place takes a learned vector.
        """
        height, width = self.grid_shape
        known = ops.reshape(known, (-1, height * width, self.channels))
        first = ops.zeros_like(known[:, :1]) + self.first
        before = ops.concatenate([first, known[:, :-1]], axis=1)
        before = ops.reshape(before, (-1, height, width, self.channels))
        return before + self.positions

    def start(self, batch_size):
        """What stands before the first place: `(batch, channels)`."""
        zeros = ops.zeros((batch_size, self.channels), self.compute_dtype)
        return zeros + ops.cast(self.first, self.compute_dtype)

    def at(self, before, row, column):
        """Features `(batch, channels)` of a place from those of the place before."""
        position = ops.take(ops.take(self.positions, row, axis=0), column, axis=0)
        return before + ops.cast(position, self.compute_dtype)

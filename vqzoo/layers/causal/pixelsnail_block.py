"""A block of PixelSNAIL: causal convolutions, then attention."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured
from vqzoo.layers.causal.causal_self_attention import CausalSelfAttention
from vqzoo.layers.causal.gated_residual_block import GatedResidualBlock


@keras.saving.register_keras_serializable("vqzoo")
class PixelSNAILBlock(Configured, keras.layers.Layer):
    """Gated residual blocks, and attention to all positions before.

    Queries are made of what the residual blocks give, keys and values of that and of
    the block's inputs, both also of the coordinates of the position. Without attention
    a linear map of features and coordinates stands in its place.

    For sampling, the layer also works step by step on a state: `start`, `begin_row`,
    for each position `at`, and `end_row`.

    Args:
        num_residual_blocks: int.
        residual_channels: int, within a residual block.
        kernel_size: odd int.
        num_heads: int, heads of the attention; together they are half as wide as the
            inputs. 0: no attention.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
    Input shape: `(batch, height, width, channels)`, float, and a condition that
        broadcasts to `(batch, height, width, any)`, or None.
    Output shape: `(batch, height, width, channels)`.
    Raises: ValueError: if the heads do not divide half of the channels, or a residual
        block cannot have its arguments.
    Source: Chen et al. 2018, arXiv 1712.09763, figure 2. Differs: as
        `GatedResidualBlock`.
    Example:
        >>> PixelSNAILBlock(2, 16, 3)(np.ones((1, 4, 4, 16), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        num_residual_blocks,
        residual_channels,
        kernel_size,
        *,
        num_heads=8,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep(locals())
        self.blocks = [
            self._block(residual_channels, kernel_size, f"block_{index}", index)
            for index in range(num_residual_blocks)
        ]
        self.sources = self.queries = self.attention = self.output_map = None

    def _block(self, filters, kernel_size, name, index):
        return GatedResidualBlock(
            filters,
            kernel_size,
            dropout=self.dropout,
            seed=None if self.seed is None else self.seed + index,
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, inputs_shape, condition_shape=None):
        channels = inputs_shape[-1]
        for block in self.blocks:
            block.build(inputs_shape, None, condition_shape)
        self._grid_shape = inputs_shape[1:3]
        known = (*inputs_shape[:-1], channels + 2)
        if not self.num_heads:
            self.output_map = keras.layers.Dense(
                channels, name="output", dtype=self.dtype_policy
            )
            self.output_map.build(known)
            return
        if channels % (2 * self.num_heads):
            raise ValueError(
                "expected num_heads to divide half of the channels, received "
                f"num_heads={self.num_heads}, shape={tuple(inputs_shape)}"
            )
        both = (*inputs_shape[:-1], 2 * channels + 2)
        after = self.num_residual_blocks
        self.sources = self._block(channels, 1, "sources", after)
        self.sources.build(both)
        self.queries = self._block(channels, 1, "queries", after + 1)
        self.queries.build(known)
        self.attention = CausalSelfAttention(
            self.num_heads,
            channels // (2 * self.num_heads),
            name="attention",
            dtype=self.dtype_policy,
        )
        self.attention.build(known, both)
        self.output_map = self._block(channels, 1, "output", after + 2)
        self.output_map.build(inputs_shape, (*inputs_shape[:-1], channels // 2))

    def call(self, inputs, condition=None, training=None):
        hidden = inputs
        for block in self.blocks:
            hidden = block(hidden, None, condition, training=training)
        coordinates = np.stack(
            np.meshgrid(*map(_positions, self._grid_shape), indexing="ij"), axis=-1
        )
        coordinates = ops.cast(coordinates, self.compute_dtype)
        if not self.num_heads:
            return self.output_map(_with(coordinates, hidden))
        attended = self.attention(
            self.queries(_with(coordinates, hidden), training=training),
            self.sources(_with(coordinates, inputs, hidden), training=training),
        )
        return self.output_map(hidden, attended, training=training)

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        return inputs_shape

    def start(self, batch_size, width):
        """The state before the first row."""
        state = {
            "blocks": [block.start(batch_size, width) for block in self.blocks],
            "row": ops.zeros((), "int32"),
        }
        if self.num_heads:
            state["attention"] = self.attention.start(batch_size, self._grid_shape)
        return state

    def begin_row(self, state, condition=None):
        """The state before a row, with the condition of the row or None."""
        blocks = [
            block.begin_row(block_state, condition)
            for block, block_state in zip(self.blocks, state["blocks"])
        ]
        return {**state, "blocks": blocks}

    def at(self, state, inputs, column):
        """The state, and outputs `(batch, channels)` of a position with its inputs."""
        hidden, blocks = inputs, []
        for block, block_state in zip(self.blocks, state["blocks"]):
            block_state, hidden = block.at(block_state, hidden, column)
            blocks.append(block_state)
        state = {**state, "blocks": blocks}
        rows, columns = map(_positions, self._grid_shape)
        coordinates = ops.stack(
            [ops.take(rows, state["row"]), ops.take(columns, column)]
        )
        coordinates = ops.cast(coordinates, self.compute_dtype)
        if not self.num_heads:
            return state, self.output_map(_with(coordinates, hidden))
        queries = _at_place(self.queries, _with(coordinates, hidden))
        attended = self.attention.at(state["attention"], queries, column)
        sources = _at_place(self.sources, _with(coordinates, inputs, hidden))
        attention = self.attention.put(state["attention"], sources, column)
        outputs = _at_place(self.output_map, hidden, attended)
        return {**state, "attention": attention}, outputs

    def end_row(self, state):
        """The state before the next row."""
        blocks = [
            block.end_row(block_state)
            for block, block_state in zip(self.blocks, state["blocks"])
        ]
        state = {**state, "blocks": blocks, "row": state["row"] + 1}
        if self.num_heads:
            state["attention"] = self.attention.end_row(state["attention"])
        return state


def _positions(side):
    """Where the positions of an axis are: float32 `(side,)` in [-0.5, 0.5)."""
    return np.arange(side, dtype="float32") / side - 0.5


def _with(coordinates, *features):
    """Features `(batch, ..., channels)` one beside the other, and coordinates."""
    shape = (*ops.shape(features[0])[:-1], 2)
    return ops.concatenate([*features, ops.broadcast_to(coordinates, shape)], axis=-1)


def _at_place(layer, *features):
    """What a layer that sees one position makes of features `(batch, channels)`."""
    return layer(*(x[:, None, None] for x in features), training=False)[:, 0, 0]

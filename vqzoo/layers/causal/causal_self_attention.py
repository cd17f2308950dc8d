"""Self-attention over a grid that looks only at earlier positions."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_not_negative
from vqzoo.ops import put_at
from vqzoo.quantizers.scales import Scales


@keras.saving.register_keras_serializable("vqzoo")
class CausalSelfAttention(Configured, keras.layers.Layer):
    """Attention of each position of a grid to the positions before it, in raster order.

    Queries come from one tensor, keys and values from another, which may hold more. A
    position that may look at nothing, the first one where positions do not see
    themselves, gives zeros. With `grids` it is a sequence of grids, each of whose
    positions looks at all of its own grid and of the grids before.

    For sampling, the layer also works step by step on a state that keeps keys and
    values: `start`, for each position `put` and `at`, and `end_row`.

    Args:
        num_heads: int.
        head_dim: int, length of a head's queries, keys and values.
        sees_itself: bool. Whether a position looks at itself too.
        use_bias: bool, in the maps to queries, keys and values.
        rotary: bool. Whether to rotate queries and keys by their position: half of a
            head by its row, half by its column.
        grids: sequence of grids from coarse to fine, as in `Scales`, whose positions
            form the only row, or one grid as it is; or None. Rotary positions are those
            of their centers on the last grid. Sampling takes a grid at a time, by
            `extend`.
        num_tokens: int, places in the row behind those of one grid that are nowhere on
            it: they see all places, all see them, and they are not rotated.
        query_key_norm: bool. Whether the queries and keys of a head are normalized to
            root mean square 1, each with a learned scale.
        window: int or None, rows that a position sees, including its own, at least 2.
            None is all rows.
    Input shape: queries and sources `(batch, height, width, any)`, float. Without
        sources the queries are the sources too.
    Output shape: `(batch, height, width, num_heads * head_dim)`.
    Raises: ValueError: if a size is not positive, `window` is below 2, `rotary` with a
        `head_dim` that 4 does not divide, or `num_tokens` without one grid.
    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2; over grids: Chen et al.
        2018 (PixelSNAIL), arXiv 1712.09763; rotary positions: Su et al. 2021, arXiv
        2104.09864, in two dimensions: Sun et al. 2024 (LlamaGen), arXiv 2406.06525;
        normalized queries and keys: Dehghani et al. 2023, arXiv 2302.05442. Differs:
        nothing.
    Example:
        >>> CausalSelfAttention(2, 8)(np.ones((1, 4, 4, 32), "float32")).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        num_heads,
        head_dim,
        *,
        sees_itself=False,
        use_bias=True,
        rotary=False,
        grids=None,
        num_tokens=0,
        query_key_norm=False,
        window=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_at_least(1, num_heads=num_heads, head_dim=head_dim)
        if window is not None:
            check_at_least(2, window=window)
        check_not_negative(num_tokens=num_tokens)
        if num_tokens and len(grids or ()) != 1:
            raise ValueError(
                "expected num_tokens behind the places of one grid, received "
                f"{num_tokens=}, {grids=}"
            )
        if rotary and head_dim % 4:
            raise ValueError(
                f"expected 4 to divide head_dim for rotary, received {head_dim=}"
            )
        self._keep(locals())
        self.scales = None if grids is None else Scales(grids)
        self.norms = None
        if query_key_norm:
            self.norms = [
                keras.layers.RMSNormalization(name=name, dtype=self.dtype_policy)
                for name in ("query_norm", "key_norm")
            ]
        self.to_queries, self.to_keys, self.to_values = (
            keras.layers.Dense(
                num_heads * head_dim,
                use_bias=use_bias,
                name=name,
                dtype=self.dtype_policy,
            )
            for name in ("queries", "keys", "values")
        )

    def build(self, queries_shape, sources_shape=None):
        sources_shape = sources_shape or queries_shape
        self.to_queries.build(queries_shape)
        self.to_keys.build(sources_shape)
        self.to_values.build(sources_shape)
        for norm in self.norms or ():
            norm.build((None, self.head_dim))

    def _heads(self, inputs, index, turns):
        """Queries (index 0) or keys (index 1), `(..., num_heads, head_dim)`.

        Args:
            inputs: `(..., channels)`.
            index: int.
            turns: as from `_turns`, or None.
        """
        layer = (self.to_queries, self.to_keys)[index]
        shape = (-1, *inputs.shape[1:-1], self.num_heads, self.head_dim)
        heads = ops.reshape(layer(inputs), shape)
        if self.norms:
            heads = self.norms[index](heads)
        return heads if turns is None else _turned(heads, turns)

    def _turns(self, row, column):
        """Cosines and sines `(..., 1, head_dim / 2)` of positions, or None."""
        if not self.rotary:
            return None
        size = self.head_dim // 4
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        rates = 10_000.0 ** -(ops.arange(size, dtype=dtype) / size)
        angles = ops.concatenate(
            [ops.cast(at, dtype)[..., None] * rates for at in (row, column)],
            axis=-1,
        )[..., None, :]
        return tuple(
            ops.cast(turn(angles), self.compute_dtype) for turn in (ops.cos, ops.sin)
        )

    def call(self, queries, sources=None):
        sources = queries if sources is None else sources
        height, width = queries.shape[1:3]
        places = height * width
        heads = (-1, places, self.num_heads, self.head_dim)
        place = ops.arange(places)
        known = place + self.sees_itself  # how many places each looks at
        rows, columns = place // width, place % width
        if self.scales:
            ends = (*self.scales.ends[:-1], places)
            known = np.repeat(ends, np.diff(ends, prepend=0)).astype("int32")
            at = self.scales.rows_and_columns()
            rows, columns = (np.pad(each, (0, self.num_tokens)) for each in at)
        known = ops.convert_to_tensor(known)[:, None]
        turns = self._turns(
            *(ops.reshape(each, (height, width)) for each in (rows, columns))
        )
        queries = ops.reshape(self._heads(queries, 0, turns), heads)
        keys = ops.reshape(self._heads(sources, 1, turns), heads)
        values = ops.reshape(self.to_values(sources), heads)
        # A softmax needs something to look at; what it gives there is put to zero.
        seen = (place < ops.maximum(known, 1))[None, None]
        if self.window is not None:
            row = place // width
            seen = seen & (row[:, None] - row < self.window)
        elif self.scales and len(self.scales.ends) == 1:
            seen = None  # of all; PyTorch's flash attention takes no mask
        # Scaled here as in `at`: what is handed over as `scale` is rounded to float32.
        queries = queries * self._scale
        outputs = ops.dot_product_attention(queries, keys, values, mask=seen, scale=1.0)
        outputs = outputs * ops.cast(known > 0, outputs.dtype)[..., None]
        return ops.reshape(outputs, (-1, height, width, self._channels))

    def extend(self, state, inputs, index):
        """The state and outputs of one of the grids, which sees those before it.

        Args:
            state: dict of `keys` and `values` of the places before; empty at first.
            inputs: `(batch, 1, places of the grid, channels)`.
            index: int, of the grid.

        Returns:
            `(state, outputs)`, these `(batch, 1, places, num_heads * head_dim)`.
        """
        part = self.scales.parts[index]
        at = (
            ops.convert_to_tensor(x[part])[None] for x in self.scales.rows_and_columns()
        )
        turns = self._turns(*at)
        shape = (-1, part.stop - part.start, self.num_heads, self.head_dim)
        queries, keys, values = (
            ops.reshape(heads, shape)
            for heads in (
                self._heads(inputs, 0, turns) * self._scale,
                self._heads(inputs, 1, turns),
                self.to_values(inputs),
            )
        )
        if state:
            keys = ops.concatenate([state["keys"], keys], axis=1)
            values = ops.concatenate([state["values"], values], axis=1)
        outputs = ops.dot_product_attention(queries, keys, values, scale=1.0)
        outputs = ops.reshape(outputs, (-1, 1, shape[1], self._channels))
        return {"keys": keys, "values": values}, outputs

    @property
    def _scale(self):
        return self.head_dim**-0.5

    @property
    def _channels(self):
        return self.num_heads * self.head_dim

    def compute_output_shape(self, queries_shape, sources_shape=None):
        return (*queries_shape[:-1], self._channels)

    def start(self, batch_size, grid_shape):
        """The state before the first row.

        With a `window` the rows have no end: of the rows above it keeps those that are
        seen, wherever they stand.

        Returns:
            dict: `keys` and `values` `(batch, heads, height, width, head_dim)` of the
            rows above, `row_keys` and `row_values` `(batch, heads, width, head_dim)` of
            the row so far, and `row`, its number.
        """

        def zeros(*places):
            shape = (batch_size, self.num_heads, *places, self.head_dim)
            return ops.zeros(shape, self.compute_dtype)

        height = grid_shape[0] if self.window is None else self.window - 1
        return {
            "keys": zeros(height, grid_shape[1]),
            "values": zeros(height, grid_shape[1]),
            "row_keys": zeros(grid_shape[1]),
            "row_values": zeros(grid_shape[1]),
            "row": ops.zeros((), "int32"),
        }

    def put(self, state, sources, column):
        """The state with the sources `(batch, channels)` of a position of the row."""
        keys = self._heads(sources, 1, self._turns(state["row"], column))
        values = self.to_values(sources)
        values = ops.reshape(values, (-1, self.num_heads, self.head_dim))
        return {
            **state,
            "row_keys": put_at(state["row_keys"], keys, column, axis=2),
            "row_values": put_at(state["row_values"], values, column, axis=2),
        }

    def at(self, state, queries, column):
        """Outputs `(batch, num_heads * head_dim)` of a position of the row."""
        turns = self._turns(state["row"], column)
        queries = self._heads(queries, 0, turns)[:, :, None] * self._scale
        outputs = self._looked(state, queries, column + self.sees_itself)
        return ops.reshape(outputs, (-1, self._channels))

    def row(self, state, inputs):
        """The state with a whole row of sources, and the outputs of its positions.

        Args:
            state: as from `start` or `end_row`.
            inputs: `(batch, width, channels)`.
        """
        columns = ops.arange(inputs.shape[1])
        turns = self._turns(ops.broadcast_to(state["row"], columns.shape), columns)
        queries, keys = (self._heads(inputs, i, turns) for i in range(2))
        values = ops.reshape(self.to_values(inputs), (-1, *keys.shape[1:]))
        # Heads come before positions.
        queries, keys, values = (
            ops.swapaxes(each, 1, 2) for each in (queries * self._scale, keys, values)
        )
        state = {**state, "row_keys": keys, "row_values": values}
        known = (columns + self.sees_itself)[:, None]
        outputs = ops.swapaxes(self._looked(state, queries, known), 1, 2)
        return state, ops.reshape(outputs, (-1, inputs.shape[1], self._channels))

    def _looked(self, state, queries, known):
        """Values that queries `(batch, heads, n, head_dim)` of the row look at.

        Args:
            state: with the row so far.
            queries: scaled.
            known: int tensor, how many positions of the row each query sees.
        """
        height, width = state["keys"].shape[2:4]
        flat = (-1, self.num_heads, height * width, self.head_dim)
        keys = ops.reshape(state["keys"], flat)
        above = _scores(queries, keys, state["row"] * width)
        here = _scores(queries, state["row_keys"], known)
        scores = ops.concatenate([above, here], axis=-1)
        weights = ops.softmax(scores, axis=-1)
        # Where nothing may be looked at, all scores are equally low.
        weights = ops.where(scores > _LOW, weights, 0.0)
        weights = ops.cast(weights, self.compute_dtype)
        values = ops.reshape(state["values"], flat)
        outputs = ops.matmul(weights[..., : height * width], values)
        return outputs + ops.matmul(weights[..., height * width :], state["row_values"])

    def end_row(self, state):
        """The state before the next row."""
        row = state["row"]
        at = row if self.window is None else row % (self.window - 1)
        return {
            **state,
            "keys": put_at(state["keys"], state["row_keys"], at, axis=2),
            "values": put_at(state["values"], state["row_values"], at, axis=2),
            "row": row + 1,
        }


def _turned(heads, turns):
    """Pairs of channels, those of the two halves, turned by their angles."""
    cosine, sine = turns
    first, second = ops.split(heads, 2, axis=-1)
    return ops.concatenate(
        [first * cosine - second * sine, first * sine + second * cosine], axis=-1
    )


_LOW = -1e9  # a score of what may not be looked at


def _scores(queries, keys, known):
    """At least float32 `(batch, heads, n, positions)`; low from position `known` on."""
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
    dtype = keras.backend.result_type(scores.dtype, "float32")
    places = ops.arange(keys.shape[2])
    return ops.where(places < known, ops.cast(scores, dtype), _LOW)

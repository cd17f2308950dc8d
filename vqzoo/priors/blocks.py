"""What the priors that are made of transformer blocks have in common."""

import keras
from keras import ops

from vqzoo.layers.causal.transformer_blocks import make_blocks
from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior, CachedPrior
from vqzoo.priors.base import Prior


class TransformerPrior(Prior):
    """A prior of transformer blocks over the positions of a grid.

    Abstract. A subclass has `_make_layers`, which calls `_make_blocks`. Conditions act
    by adaptive norms on rotary blocks; before plain ones they are added to features.
    """

    layouts = ("grid", "tokens", "scales")
    block = "plain"
    grids = None  # of a sequence of grids

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_layers=8,
        num_channels=256,
        num_heads=8,
        hidden_ratio=4,
        num_condition_blocks=2,
        dropout=0.1,
        seed=None,
        **kwargs,
    ):
        self._make(locals(), "num_layers")

    def _make_blocks(self, *, causal):
        is_conditioned = self.conditions is not None
        self.blocks, self.norm = make_blocks(
            self,
            causal=causal,
            dropout=self.dropout,
            seed=self.seed,
            adaptive=is_conditioned,
            grids=self.grids if causal else (self.grid_shape,),
        )
        self.output_logits = self._logits_layer()
        self.modulations = None
        if is_conditioned and self.block == "rotary":
            # Zeros: at first each block modulates by its own values alone.
            self.modulations = keras.layers.Dense(
                6 * self.num_channels,
                kernel_initializer="zeros",
                dtype=self.layer_dtype,
                name="modulations",
            )

    def _through(self, features, condition, step):
        modulations = ()
        if self.modulations is not None:
            modulations = (self.modulations(ops.silu(condition)),)
        elif condition is not None:
            features = features + condition
        for block in self.blocks:
            features = step(block, features, *modulations)
        return self.norm(features)


class CausalTransformerPrior(TransformerPrior, CachedPrior):
    """One whose positions see the positions before them: the state of its sampling.

    Abstract. A subclass has `tokens`, a `PlaceTokens`.
    """

    def start(self, batch_size):
        """The state of sampling before the first row."""
        shape = (batch_size, self.grid_shape[1], self.num_channels)
        return {
            "layers": self._start_layers(batch_size, self.grid_shape),
            "before": self.tokens.start(batch_size),
            "row": ops.zeros((), "int32"),
            "condition": ops.zeros(shape, self.layer_dtype.compute_dtype),
        }

    def begin_row(self, state, condition=None):
        """The state before the first position of a row, with the row's condition."""
        condition = conditions.row_condition(condition, state["condition"])
        return {**state, "condition": condition}

    def _hidden_at(self, state, column):
        """Features `(batch, channels)` of a position after the blocks; the state."""
        features = self.tokens.at(state["before"], state["row"], column)
        condition = ops.take(state["condition"], column, axis=1)
        return self._place(features, state, column, condition)

    def end_row(self, state):
        """The state after the last position of a row."""
        return {**super().end_row(state), "row": state["row"] + 1}


class CodeTransformer(CausalTransformerPrior, AutoregressivePrior):
    """One of codes: each position takes the code before it, and the condition.

    Abstract. A subclass has `_make_tokens`, a `CodeTokens`.
    """

    smoke_options = {"num_layers": 1, "num_channels": 16}

    def _make_layers(self):
        self.tokens = self._make_tokens()
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self._make_blocks(causal=True)

    def _outputs(self, inputs):
        hidden = self._whole(self.tokens(inputs["codes"]), inputs)
        return self.output_logits(hidden)

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a position, and the state."""
        hidden, state = self._hidden_at(state, column)
        return self.output_logits(hidden), state

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a position are known."""
        return {**state, "before": self.tokens.known(codes, column)}


class PlaceTokens(keras.layers.Layer):
    """What each position takes: what stands at the position before it, and where it is.

    Abstract. A subclass has `call`, and builds layers of its own before it calls
    `super().build`, so that seeded weights stay what they were.

    Args:
        owner: the prior whose sizes it has.
        num_tokens: int, rows of the embedding, or None for the codes of the prior.
        has_positions: bool. Whether a learned vector says which place it is.
    """

    def __init__(self, owner, num_tokens=None, has_positions=True, **kwargs):
        super().__init__(**kwargs)
        self.has_positions = has_positions
        self.grid_shape = owner.grid_shape
        self.channels = owner.num_channels
        self.embedding = keras.layers.Embedding(
            num_tokens or owner.num_embeddings,
            self.channels,
            name="embedding",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.embedding.build()
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.first = self.add_weight(
            name="first", shape=(self.channels,), initializer=small
        )
        if self.has_positions:
            self.positions = self.add_weight(
                name="positions",
                shape=(*self.grid_shape, self.channels),
                initializer=small,
            )

    def shifted(self, known):
        """What places take, from features `(batch, h, w, channels)` of what they hold.

        The first position takes a learned vector.
        """
        height, width = self.grid_shape
        known = ops.reshape(known, (-1, height * width, self.channels))
        first = ops.zeros_like(known[:, :1]) + ops.cast(self.first, known.dtype)
        before = ops.concatenate([first, known[:, :-1]], axis=1)
        before = ops.reshape(before, (-1, height, width, self.channels))
        if not self.has_positions:
            return before
        return before + ops.cast(self.positions, known.dtype)

    def start(self, batch_size):
        """What stands before the first position: `(batch, channels)`."""
        zeros = ops.zeros((batch_size, self.channels), self.compute_dtype)
        return zeros + ops.cast(self.first, self.compute_dtype)

    def at(self, before, row, column):
        """Features `(batch, channels)` of a position from those of the one before."""
        if not self.has_positions:
            return before
        position = ops.take(ops.take(self.positions, row, axis=0), column, axis=0)
        return before + ops.cast(position, self.compute_dtype)


class CodeTokens(PlaceTokens):
    """Tokens of codes."""

    def known(self, codes, columns):
        """Features of codes; `columns` is where in a row they stand."""
        del columns
        return self.embedding(codes)

    def call(self, codes):
        return self.shifted(self.known(codes, ops.arange(self.grid_shape[1])))

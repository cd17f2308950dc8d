"""A transformer over the codes of frames and the actions between them."""

import keras
from keras import ops

from vqzoo.arguments import check_at_least
from vqzoo.layers.causal.transformer_blocks import make_blocks
from vqzoo.ops import put_at
from vqzoo.priors import raster
from vqzoo.priors.memories import codes
from vqzoo.priors.memories.memory import Memory
from vqzoo.registry import named


@named("frame_transformer")
@keras.saving.register_keras_serializable("vqzoo")
class FrameTransformer(Memory):
    """Autoregressive over codes: each sees those before it and the last frames.

    A frame is a row of tokens: the action that led to it, then its codes. The input of
    each position is the token before it; a position sees the rows of the last `context`
    frames, including its own. Imagination caches the keys and values of these rows and
    gives the outputs of the whole network, at any length.

    Args:
        tiers: sequence of `(shape, number of codes)` of the tiers of a frame, as
            `(((8, 8), 512),)`.
        context: int, frames that a position sees in each layer, at least 2.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; channels per head must be a multiple of 4.
        hidden_ratio: int, as in `RotaryTransformer`.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all memories take, such as `num_actions`: see `Memory`.
    Input shape: codes, int32 `(batch, frames, frame_size)`; with actions a dict, see
        `MDNRNN`.
    Output shape: `(batch, frames, frame_size, K)`, float32 logits, K the most codes of
        a tier; with actions a dict, see `MDNRNN`.
    Raises: ValueError: if a size is not positive, the heads do not fit the channels, or
        tiers have no codes.
    Source: Micheli et al. 2023 (IRIS), arXiv 2209.00588, section 2.2. Differs: rotary
        positions in two dimensions, so that the context slides without recomputation;
        normalized queries and keys, gated perceptrons.
    Example:
        >>> memory = FrameTransformer(
        ...     (((2, 2), 8),), num_layers=1, num_channels=8, num_heads=2, num_frames=4
        ... )
        >>> memory.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 1, "num_channels": 16, "num_heads": 2}
    block = "rotary"

    def __init__(
        self,
        tiers,
        *,
        context=4,
        num_layers=2,
        num_channels=128,
        num_heads=4,
        hidden_ratio=4,
        dropout=0.1,
        seed=None,
        **kwargs,
    ):
        check_at_least(2, context=context)
        self._make(locals(), "num_layers", "num_channels", "num_heads", "hidden_ratio")

    @property
    def columns(self):
        return range(self.frame_size)

    def _make_layers(self):
        self.codes = codes.Codes(self)
        dtype = self.layer_dtype
        self.tokens = _FrameTokens(self, dtype=dtype, name="tokens")
        self.blocks, self.norm = make_blocks(
            self, window=self.context, dropout=self.dropout, seed=self.seed
        )
        self.logits = keras.layers.Dense(
            self.codes.most, dtype="float32", name="logits"
        )
        self._make_heads()

    def _whole(self, latents, actions):
        features = self.tokens(latents, *([actions] if self.has_actions else []))
        for block in self.blocks:
            features = block(features)
        features = self.norm(features)
        logits = self.logits(features[:, :, :-1]) + self.codes.outside
        return {"latents": logits, **self._heads(features[:, :, 0])}

    def _start(self, batch_size):
        grid = (self.num_frames, self.frame_size + 1)
        return {
            "layers": [block.start(batch_size, grid) for block in self.blocks],
            "features": ops.zeros((batch_size, self.num_channels)),
        }

    def _frame(self, state, actions, draw):
        def place(layers, token, column):
            """Features after the blocks, and the layers' states."""
            hidden, after = self.tokens.at(token, column), []
            for block, layer in zip(self.blocks, layers):
                layer, hidden = block.at(layer, hidden, column)
                after.append(layer)
            return self.norm(hidden), after

        def fill(column, carried):
            frame, features, layers = carried
            outside = ops.take(self.codes.outside, column, axis=0)
            code = draw(self.logits(features) + outside, column)
            token = self.tokens.known(code, column)
            features, layers = place(layers, token, column + 1)
            return put_at(frame, code, column, axis=1), features, layers

        first = self.tokens.first_of(actions, state["frame"], state["latents"])
        begun, layers = place(state["layers"], first, 0)
        frame = ops.zeros_like(state["latents"])
        carried = frame, begun, layers
        frame, features, layers = ops.fori_loop(0, self.frame_size, fill, carried)
        return self._heads(begun), self._after(state, frame, layers, features)

    def _known_frame(self, state, actions, latents):
        # The whole row at once, since no code waits for the one before it.
        first = self.tokens.first_of(actions, state["frame"], state["latents"])
        hidden, layers = self.tokens.row(first, latents), []
        for block, layer in zip(self.blocks, state["layers"]):
            layer, hidden = block.row(layer, hidden)
            layers.append(layer)
        begun, features = self.norm(hidden[:, 0]), self.norm(hidden[:, -1])
        return self._heads(begun), self._after(state, latents, layers, features)

    def _after(self, state, frame, layers, features):
        layers = [block.end_row(layer) for block, layer in zip(self.blocks, layers)]
        features = ops.cast(features, "float32")
        return {**state, "latents": frame, "layers": layers, "features": features}

    def _frame_loss(self):
        return codes.loss()

    def _log_probs(self, outputs, latents):
        return codes.log_probs(outputs, latents)

    def _draw(self, outputs, random, heat, column):
        return raster.choose(outputs / heat, ops.take(random["uniform"], column, 1))


class _FrameTokens(keras.layers.Layer):
    """Input features of frames: the action before, then the codes.

    Args:
        memory: `FrameTransformer`.
    """

    def __init__(self, memory, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.channels = memory.codes, memory.num_channels
        self.num_places = memory.frame_size + 1
        self.embedding = keras.layers.Embedding(
            self.codes.total, self.channels, name="embedding", dtype=self.dtype_policy
        )
        self.actions = None
        if memory.num_actions:
            self.actions = keras.layers.Embedding(
                memory.num_actions,
                self.channels,
                name="actions",
                dtype=self.dtype_policy,
            )
        elif memory.action_dim:
            self.actions = keras.layers.Dense(
                self.channels, name="actions", dtype=self.dtype_policy
            )
        self.action_shape = (memory.action_dim,) if memory.action_dim else ()

    def build(self, latents_shape, actions_shape=None):
        self.embedding.build()
        if self.actions is not None:
            self.actions.build((None, *self.action_shape))
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.first = self.add_weight(
            name="first", shape=(self.channels,), initializer=small
        )
        self.positions = self.add_weight(
            name="positions", shape=(self.num_places, self.channels), initializer=small
        )

    def known(self, code, column):
        """Features of codes `(..., frame_size)`, or `(batch,)` of one position."""
        return self.embedding(self.codes.tokens(code, column))

    def first_of(self, actions, frame, latents):
        """Features `(batch, channels)` of the token before the codes of a frame."""
        first = ops.cast(self.first, self.compute_dtype)
        first = ops.broadcast_to(first, (ops.shape(latents)[0], self.channels))
        if self.actions is None:
            return first
        return ops.where(frame > 0, self.actions(actions), first)

    def at(self, token, column):
        """Features `(batch, channels)` of a token at a position."""
        position = ops.take(self.positions, column, axis=0)
        return token + ops.cast(position, self.compute_dtype)

    def row(self, first, latents):
        """Features `(batch, places, channels)` of a frame's first token and codes."""
        tokens = ops.concatenate([first[:, None], self.known(latents, None)], axis=1)
        return tokens + ops.cast(self.positions, tokens.dtype)

    def call(self, latents, actions=None):
        known = self.known(latents, None)
        first = ops.zeros_like(known[:, :, :1]) + ops.cast(self.first, known.dtype)
        if self.actions is not None:
            led = self.actions(actions)[:, :-1, None]
            first = ops.concatenate([first[:, :1], led], axis=1)
        tokens = ops.concatenate([first, known], axis=2)
        return tokens + ops.cast(self.positions, known.dtype)

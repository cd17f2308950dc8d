"""A transformer that draws a whole scale of a multi-scale quantizer at a time."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.priors import conditions, guidance, raster
from vqzoo.priors.autoregressive_prior import LogitsPrior
from vqzoo.priors.blocks import TransformerPrior
from vqzoo.quantizers.scales import Scales
from vqzoo.registry import named


@named("next_scale")
@keras.saving.register_keras_serializable("vqzoo")
class NextScaleTransformer(TransformerPrior, LogitsPrior):
    """Prior over codes at several scales, each drawn at once from the coarser ones.

    The input of a position is the sum of all coarser scales there, in the prior's own
    embeddings. Positions attend to all of their scale and of coarser ones. Given these,
    the codes of a scale are independent, so likelihoods are exact and a sample takes
    one pass per scale. Keys and values are cached.

    Args:
        grid_shape: `(1, L)`, L the number of positions of all grids.
        num_embeddings: int, K. Number of codes.
        grids: sequence of grids from coarse to fine, those of the quantizer
            `MultiScaleResidualQuantizer`.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; channels per head must be a multiple of 4.
        hidden_ratio: int, as in `RotaryTransformer`.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`; no context.
    Input shape: codes, int32 `(batch, 1, L)`; with classes a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, 1, L, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not fit the channels,
        there is a context, or the grids do not have L positions in all.
    Source: Tian et al. 2024 (VAR), arXiv 2404.02905, section 3.2. Differs: its own
        embeddings instead of the tokenizer's vectors and convolutions; rotary positions
        on the last grid; blocks as in `RotaryTransformer`; the class only acts by
        adaptive norms and is no token.
    Example:
        >>> prior = NextScaleTransformer(
        ...     (1, 21), 16, grids=(1, 2, 4), num_layers=1, num_channels=8, num_heads=2
        ... )
        >>> prior.sample(2, seed=0).shape
        (2, 1, 21)
    """

    layouts = ("scales",)
    block = "rotary"
    smoke_options = {"num_layers": 1, "num_channels": 32}  # 4 for each of 8 heads

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        grids=None,
        num_layers=8,
        num_channels=256,
        num_heads=8,
        hidden_ratio=4,
        dropout=0.1,
        seed=None,
        **kwargs,
    ):
        if not grids:
            raise ValueError(
                "expected grids, those of a model with multi-scale codes such as "
                f"vqvae_var_32, received grids={grids}"
            )
        self._make(locals(), "num_layers")

    def _make_layers(self):
        if self.context:
            raise ValueError(
                "expected no context, as scales are of one tier, received "
                f"context={self.context}"
            )
        self.scales = Scales(self.grids)
        if self.grid_shape != (1, self.scales.ends[-1]):
            raise ValueError(
                f"expected grids with {self.grid_shape} codes in a row, received grids="
                f"{self.grids} with {(1, self.scales.ends[-1])}"
            )
        self.tokens = _ScaleTokens(self, dtype=self.layer_dtype, name="tokens")
        self.conditions = conditions.layer(self, self.num_channels, 1)
        self._make_blocks(causal=True)

    def _outputs(self, inputs):
        hidden = self._whole(self.tokens(inputs["codes"]), inputs)
        return self.output_logits(hidden)

    def logits_of(self, index, codes, states, condition):
        """Logits `(batch, positions, K)` of a scale, and the states of the blocks.

        Args:
            index: int, of the scale.
            codes: int32 `(batch, n)`, of all coarser scales.
            states: list of the states of the blocks, empty dicts at first.
            condition: features as from `conditions.features`, for each row.
        """
        after = []

        def step(block, features, *modulations):
            state, features = block.extend(
                states[len(after)], features, index, *modulations
            )
            after.append(state)
            return features

        features = self.tokens.of_scale(index, codes)
        hidden = self._through(features, condition, step)
        return self.output_logits(hidden)[:, 0], after

    def draw_scales(self, draw, inputs, batch, *, cached=True):
        """Fills rows of codes scale by scale.

        Args:
            draw: function from logits `(batch, positions, K)`, their slice of the
                sequence, and the index of the scale, to int32 codes
                `(batch, positions)`.
            inputs: dict of the condition's tensors.
            batch: int or int tensor, number of rows.
            cached: bool, as in `sampler`.

        Returns:
            int32 tensor `(batch, 1, L)`.
        """
        condition = conditions.features(self.conditions, inputs)
        states = [{} for _ in self.blocks]
        codes = ops.zeros((batch, 0), "int32")
        for index, part in enumerate(self.scales.parts):
            if cached:
                logits, states = self.logits_of(index, codes, states, condition)
            else:
                rest = ops.zeros((batch, self.grid_shape[1] - part.start), "int32")
                whole = ops.concatenate([codes, rest], axis=1)[:, None]
                arrays = conditions.packed({"codes": whole, **inputs})
                logits = self(arrays, training=False)[:, 0, part]
            codes = ops.concatenate([codes, draw(logits, part, index)], axis=1)
        return codes[:, None]

    def in_order(self, draw, inputs, batch):
        """Fills rows of codes position by position, like `raster.in_order`."""

        def draw_scale(logits, part, index):
            del index
            places = range(part.start, part.stop)
            drawn = [draw(logits[:, i], place) for i, place in enumerate(places)]
            return ops.stack(drawn, axis=1)

        return self.draw_scales(draw_scale, inputs, batch)

    def sampler(self, top_k=None, top_p=None, guidance_schedule=None, *, cached=True):
        """As in `Prior.sampler`; the guidance schedule runs over the scales."""
        settings = (top_k, top_p, guidance_schedule, cached)
        return raster.sampler_of(self, _Sampler, *settings)


class _ScaleTokens(keras.layers.Layer):
    """Inputs of the positions: the sum of the coarser scales, and the level.

    Args:
        owner: the prior, which has the sizes.
    """

    def __init__(self, owner, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.scales = owner.num_channels, owner.scales
        self.embedding = keras.layers.Embedding(
            owner.num_embeddings,
            self.channels,
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.sums = owner.scales.sums_before()
        sizes = [math.prod(grid) for grid in self.scales.grids]
        self.level_of_place = np.repeat(np.arange(len(sizes)), sizes)

    def build(self, input_shape):
        self.embedding.build()
        # One vector per scale; it is the only input of the first scale.
        self.levels = self.add_weight(
            name="levels",
            shape=(len(self.scales.grids), self.channels),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, codes):
        known = self.embedding(codes)
        levels = ops.take(self.levels, self.level_of_place, axis=0)
        sums = ops.convert_to_tensor(self.sums, known.dtype)
        return ops.matmul(sums, known) + ops.cast(levels, known.dtype)

    def of_scale(self, index, codes):
        """Features `(batch, 1, positions, channels)` of a scale.

        Args:
            index: int.
            codes: int32 `(batch, n)`, of all coarser scales.
        """
        part = self.scales.parts[index]
        level = ops.cast(self.levels[index], self.compute_dtype)
        if not part.start:
            return ops.broadcast_to(level, (ops.shape(codes)[0], 1, 1, self.channels))
        sums = self.sums[part, : part.start]
        known = self.embedding(codes)
        sums = ops.convert_to_tensor(sums, known.dtype)
        return (ops.matmul(sums, known) + level)[:, None]


class _Sampler(keras.Model):
    """Fills rows of codes from given random numbers: what `predict` compiles."""

    def __init__(self, prior, top_k, top_p, guidance_schedule, cached):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior
        self.guide = guidance.of(prior, guidance_schedule)
        self.top_k, self.top_p, self.cached = top_k, top_p, cached

    def call(self, inputs):
        inputs = self.guide.both(inputs)
        uniform = inputs.pop("uniform")
        heat = inputs.pop("temperature")[:, None, None]
        scale = inputs.pop("guidance", None)
        last = max(len(self.prior.scales.grids) - 1, 1)

        def draw(logits, part, index):
            logits = ops.cast(logits, "float32")
            logits = self.guide.guided(logits, scale, index / last) / heat
            numbers = uniform[:, part]
            flat = ops.reshape(logits, (-1, logits.shape[-1]))
            flat = raster.keep(flat, self.top_k, self.top_p)
            drawn = raster.choose(flat, ops.reshape(numbers, (-1,)))
            return self.guide.equal(ops.reshape(drawn, ops.shape(numbers)))

        batch = ops.shape(heat)[0]
        drawn = self.prior.draw_scales(draw, inputs, batch, cached=self.cached)
        return self.guide.one(drawn)

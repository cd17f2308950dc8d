"""MaskGIT: a prior that fills many positions of a grid at once."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_at_least
from vqzoo.priors import conditions, guidance, raster
from vqzoo.priors.blocks import TransformerPrior
from vqzoo.registry import named

NUM_STEPS = 12
CHOICE_TEMPERATURE = 4.5  # of the public code
_MEASURED = 17  # numbers of hidden positions at which `settle` measures


@named("maskgit")
@keras.saving.register_keras_serializable("vqzoo")
class MaskGIT(TransformerPrior):
    """Masked prior: a bidirectional transformer that guesses the codes that are hidden.

    It is fitted to codes of which a random part is hidden, by the loss at the hidden
    positions. A sample begins with all positions hidden; each of a few steps draws a
    code for every hidden position and keeps those that it is surest of, as many as a
    schedule says: a cosine, or the one that `settle` has learned. Each step computes
    the whole grid: what a position sees changes with every code that is found, so that
    keys and values of known codes cannot be kept.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes. The code K stands for a hidden
            position.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of plain perceptrons over `num_channels`.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        block: `"plain"`, or `"rotary"`: `RotaryTransformerBlock`s, on which conditions
            act by adaptive norms. Positions are learned too, as all hidden ones are
            alike otherwise. Its heads have a multiple of 4 channels.
        dropout: float in [0, 1).
        nats_by_hidden: pairs of how many positions are hidden and the loss of each that
            `settle` found there, or None: the cosine.
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)` in [0, K]; with a condition a
        dict, see `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not fit the channels,
        there are no such blocks, or a grid above does not divide this one.
    Source: Chang et al. 2022, arXiv 2202.04200, section 3; the learned schedule:
        Hoogeboom et al. 2022, arXiv 2110.02037, section 3.2. Differs: the condition is
        added to each position or acts by adaptive norms; no label smoothing.
    Example:
        >>> prior = MaskGIT((4, 4), 16, num_layers=1, num_channels=8, num_heads=2)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    likelihood = "bound"
    in_passes = True
    smoke_options = {"num_layers": 1, "num_channels": 32}  # 4 for each of 8 heads

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
        block="plain",
        dropout=0.1,
        nats_by_hidden=None,
        seed=None,
        **kwargs,
    ):
        self._make(locals(), "num_layers")

    def _make_layers(self):
        dtype = self.layer_dtype
        self.embedding = keras.layers.Embedding(
            self.num_embeddings + 1, self.num_channels, dtype=dtype, name="embedding"
        )
        self.positions = _Positions(dtype=dtype, name="positions")
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self._make_blocks(causal=False)

    def _outputs(self, inputs):
        hidden = self.positions(self.embedding(inputs["codes"]))
        return self.output_logits(self._whole(hidden, inputs))

    def training_pair(self, arrays, tiers, seed=(0, 0)):
        """Inputs with a random part of the codes hidden, targets, and weights."""
        # Here and not above: it needs TensorFlow, as all that runs in tf.data does.
        from vqzoo.datasets import masking

        inputs = self._training_inputs(arrays, tiers)
        targets = inputs["codes"]
        inputs["codes"], weights = masking.hide(targets, seed, self.num_embeddings)
        return conditions.packed(inputs), targets, weights

    def log_likelihood(self, codes, condition=None):
        return self.log_prob_bound(codes, condition)

    def log_prob_bound(self, codes, condition=None, *, num_draws=4, seed=0):
        """An estimate of a lower bound of the log likelihood, float64 `(batch,)`, nats.

        The mean over random orders of the positions of the likelihood that they have
        when they are found in that order. Each draw hides a random number of positions.

        Args:
            codes: int `(batch, height, width)` in [0, K).
            condition: dict with `label` and `context`, as `AutoregressivePrior`'s.
            num_draws: int, random orders for each grid.
            seed: int, of the orders.

        Raises:
            ValueError: if the codes or the condition do not fit to the prior.

        Source: Hoogeboom et al. 2022, arXiv 2110.02037, equation 3.
        """
        shape = (len(codes), *self.grid_shape)
        codes = conditions.codes_array("codes", codes, shape, self.num_embeddings)
        arrays = conditions.arrays(self, len(codes), condition)
        generator = np.random.default_rng(seed)
        places = math.prod(self.grid_shape)
        total = np.zeros(len(codes))
        for _ in range(num_draws):
            hidden = generator.integers(1, places + 1, len(codes))
            total += places * self._mean_log_p(codes, arrays, hidden, generator)
        return total / num_draws

    def _mean_log_p(self, codes, arrays, hidden, generator):
        """Mean log probability of random positions of each grid, `(batch,)`.

        Args:
            codes: int `(batch, height, width)`.
            arrays: dict of the condition's arrays.
            hidden: int `(batch,)`, how many positions of each grid are hidden.
            generator: numpy's, of the positions.
        """
        places = math.prod(self.grid_shape)
        ranks = generator.permuted(np.tile(np.arange(places), (len(codes), 1)), axis=1)
        mask = (ranks < hidden[:, None]).reshape(codes.shape)
        masked = np.where(mask, self.num_embeddings, codes).astype("int32")
        code_log_p = raster.log_probs_of(self, masked, codes, arrays)
        return (code_log_p * mask).sum(axis=(1, 2)) / hidden

    def settle(self, arrays, tiers):
        """Learns from held-out codes how the loss falls while a grid fills."""
        *above, codes = (arrays[name] for name in tiers)
        condition = self.condition(arrays.get("label"), above)
        arrays = conditions.arrays(self, len(codes), condition)
        generator, places = np.random.default_rng(0), math.prod(self.grid_shape)
        counts = np.unique(np.linspace(1, places, _MEASURED).round().astype(int))
        self.nats_by_hidden = []
        for count in counts.tolist():
            hidden = np.full(len(codes), count)
            log_p = self._mean_log_p(codes, arrays, hidden, generator)
            self.nats_by_hidden.append([count, round(-float(log_p.mean()), 4)])
        self.__dict__.pop("_samplers", None)  # they have the schedule of before
        return True

    def schedule(self, num_steps):
        """How many positions are hidden after each step: ints that end in 0.

        By a loss that `settle` has learned, they are those of the least nats in all,
        where a step draws its codes from what is known before it.
        """
        places = math.prod(self.grid_shape)
        if self.nats_by_hidden is None:
            shares = np.cos(np.pi / 2 * np.arange(1, num_steps) / num_steps)
            return (*np.floor(places * shares).astype(int).tolist(), 0)
        nats = np.interp(np.arange(places + 1), *zip(*self.nats_by_hidden))
        # The least nats from so many hidden positions on, with a step more each time.
        step = np.arange(places + 1)[:, None] - np.arange(places + 1)
        cost = np.where(step > 0, step * nats[:, None], np.inf)
        cost[0, 0] = 0.0  # nothing is left to draw
        best, choices = np.where(np.arange(places + 1) > 0, np.inf, 0.0), []
        for _ in range(num_steps):
            totals = cost + best
            choices.append(totals.argmin(axis=1))
            best = totals.min(axis=1)
        hidden, left = [], places
        for after in reversed(choices):
            left = int(after[left])
            hidden.append(left)
        return tuple(hidden)

    def random_inputs(self, num_steps=NUM_STEPS, **options):
        del options
        shape = (num_steps, math.prod(self.grid_shape))
        return {"uniform": ("uniform", shape), "gumbel": ("gumbel", shape)}

    @property
    def num_shown(self):
        """The codes, and the one of a position that is not drawn yet."""
        return self.num_embeddings + 1

    def sampler(
        self,
        top_k=None,
        top_p=None,
        guidance_schedule=None,
        *,
        num_steps=NUM_STEPS,
        choice_temperature=CHOICE_TEMPERATURE,
    ):
        """A model from random numbers, temperatures and a condition's arrays to codes.

        Args:
            top_k: as in `sample`.
            top_p: as in `sample`.
            guidance_schedule: as in `Prior.sampler`; over the passes.
            num_steps: int, passes over the network.
            choice_temperature: float, 0 or more: scale of the Gumbel noise on what
                counts as sure in the first step; it falls linearly to 0.

        Raises:
            ValueError: if an argument is out of its range.
        """
        check_at_least(1, num_steps=num_steps)
        check_at_least(0, choice_temperature=choice_temperature)
        settings = (top_k, top_p, guidance_schedule, num_steps, choice_temperature)
        return raster.sampler_of(self, _Sampler, *settings)


class _Positions(keras.layers.Layer):
    """Adds to each position of a grid what it has learned of the position."""

    def build(self, input_shape):
        self.positions = self.add_weight(
            name="positions",
            shape=input_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, inputs):
        return inputs + self.positions


class _Sampler(keras.Model):
    """Fills grids from given random numbers: what `predict` compiles."""

    def __init__(
        self, prior, top_k, top_p, guidance_schedule, num_steps, choice_temperature
    ):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior
        self.guide = guidance.of(prior, guidance_schedule)
        self.top_k, self.top_p = top_k, top_p
        self.num_steps = num_steps
        self.choice_temperature = choice_temperature

    def call(self, inputs):
        inputs = self.guide.both(inputs)
        uniform, gumbel = inputs.pop("uniform"), inputs.pop("gumbel")
        heat = inputs.pop("temperature")[:, None, None]
        scale = inputs.pop("guidance", None)
        batch, _, places = ops.shape(uniform)
        size, grid = self.prior.num_embeddings, self.prior.grid_shape
        codes = ops.full((batch, places), size, dtype="int32")
        for step, left in enumerate(self.prior.schedule(self.num_steps)):
            arrays = {"codes": ops.reshape(codes, (batch, *grid)), **inputs}
            logits = self.prior(conditions.packed(arrays), training=False)
            share = (step + 1) / self.num_steps
            logits = ops.reshape(logits, (batch, places, size))
            begun = step / max(self.num_steps - 1, 1)
            logits = self.guide.guided(logits, scale, begun) / heat
            drawn, log_p = self._draw(logits, uniform[:, step])
            hidden = codes == size
            noise = self.choice_temperature * (1 - share)
            sure = log_p + noise * gumbel[:, step]
            sure = ops.where(hidden, sure, float("inf"))
            codes = ops.where(hidden, drawn, codes)
            if left == 0:
                break
            # As many places stay hidden as the schedule says, the least sure ones.
            least = ops.sort(sure, axis=-1)[:, left - 1 : left]
            codes = ops.where(sure <= least, size, codes)
        return self.guide.one(ops.reshape(codes, (batch, *grid)))

    def _draw(self, logits, uniform):
        """Codes `(batch, positions)` and their log probabilities."""
        size = self.prior.num_embeddings
        flat = raster.keep(ops.reshape(logits, (-1, size)), self.top_k, self.top_p)
        drawn = raster.choose(flat, ops.reshape(uniform, (-1,)))
        drawn = ops.reshape(drawn, ops.shape(uniform))
        log_p = ops.log_softmax(logits, axis=-1)
        chosen = ops.take_along_axis(log_p, drawn[..., None], axis=-1)
        return drawn, chosen[..., 0]

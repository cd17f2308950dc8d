"""What all autoregressive priors have in common."""

import math

from keras import ops

from vqzoo.priors import conditions, raster
from vqzoo.priors.base import Prior


class AutoregressivePrior(Prior):
    """A prior that gives each code's logits from all codes before it, in raster order.

    Abstract. A prior is one of these, and not one function beside others, because its
    likelihood and its samples are the same computation for all of them.

    A subclass sets `grid_shape`, `num_embeddings`, `num_classes`, `context` and
    `conditions` and calls `_connect` in its constructor. It has `_logits(inputs)`, the
    logits of all places, and for sampling a state: `start(batch_size)`,
    `begin_row(state, condition)`, `logits_at(state, column)`, which gives logits and
    state, `put(state, codes, column)` and `end_row(state)`.
    """

    likelihood = "exact"

    def _connect(self):
        """Builds the graph from codes and conditions to logits."""
        inputs = conditions.inputs(self)
        logits = self._logits(inputs)
        super().__init__(conditions.packed(inputs), logits, name=self.given_name)

    def log_prob(self, codes, condition=None):
        """Log likelihood of codes `(batch, height, width)`: float64 `(batch,)`, nats.

        Args:
            codes: int, in [0, K).
            condition: dict with `label`, ints `(batch,)` or one int, and `context`, the
                codes of the tiers above, as the prior has them; or None.

        Raises:
            ValueError: if the codes or the condition do not fit to the prior.
        """
        return raster.log_prob(self, codes, condition)

    def log_likelihood(self, codes, condition=None):
        return self.log_prob(codes, condition)

    def sample(
        self,
        shape,
        condition=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        seed=None,
        cached=True,
    ):
        """Draws codes, int32 `(batch, height, width)`.

        Args:
            shape: int, number of grids, or `(batch, height, width)`.
            condition: as for `log_prob`.
            temperature: float above 0, by which the logits are divided.
            top_k: int or None: only the likeliest `top_k` codes are drawn.
            top_p: float in (0, 1] or None: only the likeliest codes that together reach
                this probability are drawn.
            seed: int or None.
            cached: bool. False computes the whole network for each code.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        return raster.sample(
            self, shape, condition, temperature, top_k, top_p, seed, cached
        )

    def blank(self, batch_size):
        """Grids of which nothing is drawn yet, in raster order: int32."""
        return ops.zeros((batch_size, math.prod(self.grid_shape)), "int32")

    def draw(self, logits, random, heat, draw_code):
        """Codes `(batch,)` of a place.

        Args:
            logits: as from `logits_at`.
            random: dict of the random numbers of the place, see `random_inputs`.
            heat: float32 `(batch, 1)`, the temperatures.
            draw_code: function from logits and uniform numbers to codes.
        """
        del heat
        return draw_code(logits, random["uniform"])

    def outputs_of(self, grids, inputs):
        """What `draw` takes, of all places: the whole network on grids of codes."""
        return self(conditions.packed({"codes": grids, **inputs}), training=False)

    @property
    def random_inputs(self):
        """What `sampler` draws from, by name: kind and shape for each grid."""
        return {"uniform": ("uniform", (math.prod(self.grid_shape),))}

    def sampler(self, top_k=None, top_p=None):
        """A model from random numbers, temperatures and a condition's arrays to codes.

        It is what `sample` compiles, for those who give the random numbers themselves.
        """
        return raster.sampler_of(self, raster.Sampler, top_k, top_p, True)

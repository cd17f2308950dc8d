"""What the priors have in common that draw position after position."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.priors import conditions, raster
from vqzoo.priors.base import Prior


class LogitsPrior(Prior):
    """A prior that gives each code's logits from codes before it: exact likelihoods.

    Abstract. `in_order(draw, inputs, batch)` fills grids as `raster.in_order` does.
    """

    likelihood = "exact"

    def log_probs(self, codes, condition=None):
        """Log probability of each code, given those before it: float32, nats.

        Args:
            codes: int `(batch, height, width)`, in [0, K); of a prior that knows of
                positions without a code also -1, whose log probability is 0.
            condition: dict as for `sample`, or None.

        Raises:
            ValueError: if the codes or the condition do not fit to the prior.
        """
        shape, size = (len(codes), *self.grid_shape), self.num_embeddings
        codes = conditions.codes_array("codes", codes, shape, size, self.least_shown)
        arrays = conditions.arrays(self, len(codes), condition)
        log_p = raster.log_probs_of(self, codes, np.maximum(codes, 0), arrays)
        return np.where(codes < 0, np.float32(0), log_p)

    def log_prob(self, codes, condition=None):
        """Log likelihood of codes `(batch, height, width)`: float64 `(batch,)`, nats.

        Args:
            codes: int, in [0, K).
            condition: dict as for `sample`, or None.

        Raises:
            ValueError: if the codes or the condition do not fit to the prior.
        """
        return self.log_probs(codes, condition).sum(axis=(1, 2), dtype="float64")

    def log_likelihood(self, codes, condition=None):
        return self.log_prob(codes, condition)

    def random_inputs(self, **options):
        del options
        return {"uniform": ("uniform", (math.prod(self.grid_shape),))}


class CachedPrior(Prior):
    """A prior whose positions see the positions before them, in raster order.

    Abstract. A subclass says once what its layers do, to a whole grid and to one
    position: `_through`, as in `Prior`, where `step` is called for layers that keep
    what they have seen. Sampling has a state: `start(batch_size)`, `begin_row(state,
    condition)`, `logits_at(state, column)`, which gives logits and state, `put(state,
    codes, column)` and `end_row(state)`.
    """

    # The attribute that holds the layers that keep what they have seen.
    cached_layers = "blocks"

    def _place(self, features, state, column, condition=None):
        """Features `(batch, channels)` of a position after the layers; the state."""
        states = []

        def step(layer, hidden, *condition):
            layer_state = state["layers"][len(states)]
            layer_state, hidden = self._step_at(
                layer, layer_state, hidden, column, *condition
            )
            states.append(layer_state)
            return hidden

        features = self._through(features, condition, step)
        return features, {**state, "layers": states}

    def _step_at(self, layer, state, hidden, column, condition=None):
        del condition  # it is in the state of the row, or added between the layers
        return layer.at(state, hidden, column)

    def _start_layers(self, batch_size, size):
        layers = getattr(self, self.cached_layers)
        return [layer.start(batch_size, size) for layer in layers]

    def _states(self, method, state, *arguments):
        """The states of the layers after a method of each."""
        layers = getattr(self, self.cached_layers)
        return [
            getattr(layer, method)(layer_state, *arguments)
            for layer, layer_state in zip(layers, state["layers"])
        ]

    def end_row(self, state):
        """The state after the last position of a row."""
        return {**state, "layers": self._states("end_row", state)}

    def in_order(self, draw, inputs, batch):
        """Fills grids position by position: as in `raster.in_order`."""
        return raster.in_order(self, draw, inputs, batch)


class AutoregressivePrior(CachedPrior, LogitsPrior):
    """A prior that gives each code's logits from all codes before it, in raster order.

    Abstract. A prior is one of these, and not one function beside others, because its
    likelihood and its samples are the same computation for all of them.

    It is called with codes, int32 `(batch, height, width)`; with a condition, a dict of
    them as `codes`, with classes `label` `(batch,)`, and the codes of the tiers above
    as `context_0`, ... It gives logits, float32 `(batch, height, width, K)`. Compiled
    with `SparseCategoricalCrossentropy(from_logits=True)`, its loss is nats per code.
    """

    def _make_embedding(self, channels):
        self.embedding = keras.layers.Embedding(
            self.num_embeddings, channels, dtype=self.layer_dtype, name="embedding"
        )
        self.conditions = conditions.layer(self, channels, self.num_condition_blocks)

    def blank(self, batch_size):
        """Grids of which nothing is drawn yet, in raster order: int32."""
        return ops.zeros((batch_size, math.prod(self.grid_shape)), "int32")

    def draw(self, logits, random, heat, draw_code):
        """Codes `(batch,)` of a position.

        Args:
            logits: as from `logits_at`.
            random: dict of the random numbers of the position, see `random_inputs`.
            heat: float32 `(batch, 1)`, the temperatures.
            draw_code: function from logits and uniform numbers to codes.
        """
        del heat
        return draw_code(logits, random["uniform"])

    def outputs_of(self, grids, inputs):
        """What `draw` takes, of all positions: the whole network on grids of codes."""
        return self(conditions.packed({"codes": grids, **inputs}), training=False)

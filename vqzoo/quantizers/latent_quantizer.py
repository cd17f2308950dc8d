"""Latent quantization: each channel takes one of a few learned values of its own."""

import math

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers import mixed_radix
from vqzoo.quantizers.base import Quantizer, add_learned, mean_squared_distance
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class LatentQuantizer(Quantizer):
    """Replaces each channel of the latents by the nearest of its own learned values.

    Every channel has a small codebook of single numbers. The quantization loss moves a
    value toward the latents that chose it, the commitment loss moves the latents
    toward their values. With strong weight decay on the rest of the model each channel
    tends to stand for one factor of variation. At inference the nearest is taken.

    Args:
        levels: sequence of ints of at least 2, how many values each channel has. For
            more codes than int32 counts put several layers into a `GroupedQuantizer`.
        commitment_cost: float, weight of the commitment loss. Defaults to 0.1.
        quantization_cost: float, weight of the quantization loss. Defaults to 0.1.
        optimize_values: bool. Whether the values are learned; if not, they stay spread
            evenly and there is no quantization loss. Defaults to True.
        assignment: `NoisyAssignment` or None: noise on the digit of each channel,
            within its own levels, during training. The decoder receives the value of
            the result and the quantization loss moves it; the commitment loss pulls to
            the nearest value.
    Input shape: `(batch, ..., embedding_dim)`, float, where `embedding_dim` is the
        number of levels given; the values start in [-0.5, 0.5].
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K), where K is the product
        of the levels; the digit of the first channel changes fastest.
    Losses: quantization_cost * mean((sg(latents) - assigned) ** 2) and
        commitment_cost * mean((latents - sg(nearest)) ** 2).
    State: values `(sum of the levels,)`, one channel after the other.
    Raises: ValueError: if a level is below 2, a cost is negative, there are more codes
        than int32 counts, the last axis of the input is not the number of levels, or
        the assignment needs a codebook.
    Source: Hsu et al. 2023, arXiv 2305.18378. Differs: channels may differ
        in their number of values.
    Example:
        >>> quantizer = LatentQuantizer((10, 10, 10))
        >>> quantizer.encode(quantizer(np.ones((2, 3), "float32"))).shape
        TensorShape([2])
    """

    cost_arguments = {
        "quantization": "quantization_cost",
        "commitment": "commitment_cost",
    }

    def __init__(
        self,
        levels,
        *,
        commitment_cost=0.1,
        quantization_cost=0.1,
        optimize_values=True,
        assignment=None,
        **kwargs,
    ):
        levels = mixed_radix.check_levels(levels)
        super().__init__(
            math.prod(levels), len(levels), assignment=assignment, **kwargs
        )
        self._keep(locals())
        mixed_radix.check_assignment(assignment)

    @property
    def codebook(self):
        """The implicit code vectors in the order of their indices, `(K, D)`."""
        return self._vectors(ops.arange(self.num_embeddings, dtype="int32"))

    def build(self, input_shape):
        super().build(input_shape)
        self.values = add_learned(
            self,
            "values",
            (sum(self.levels),),
            self._spread_evenly,
            trainable=self.optimize_values,
        )

    def _spread_evenly(self, shape, dtype=None):
        parts = [ops.linspace(-0.5, 0.5, count, dtype=dtype) for count in self.levels]
        return ops.concatenate(parts)

    def _quantize(self, latents, training, mask=None):
        digits = self._digits(latents)
        nearest = assigned = self._at(digits)
        if training and self.assignment is not None:
            digits = mixed_radix.perturb(self.assignment, digits, self.levels)
            assigned = self._at(digits)
        terms = {}
        if self.optimize_values:
            terms["quantization"] = mean_squared_distance(assigned, latents, mask)
        terms["commitment"] = mean_squared_distance(latents, nearest, mask)
        return straight_through(latents, assigned), terms

    def _nearest(self, latents):
        return mixed_radix.to_indices(self._digits(latents), self.levels)

    def _vectors(self, codes):
        return self._at(mixed_radix.to_digits(codes, self.levels))

    def _digits(self, latents):
        """Digit of each channel's nearest value, int32 `(..., D)`."""
        columns, first = [], 0
        rows = ops.reshape(latents, (-1, self.embedding_dim))
        for j, count in enumerate(self.levels):
            values = ops.stop_gradient(self.values[first : first + count])
            order = ops.argsort(values)
            ascending = ops.take(values, order)
            middles = (ascending[1:] + ascending[:-1]) / 2
            # A copy, as PyTorch warns of a column that it has to gather.
            places = ops.searchsorted(middles, ops.copy(rows[:, j]))
            columns.append(ops.take(ops.cast(order, "int32"), places))
            first += count
        return ops.reshape(ops.stack(columns, axis=-1), ops.shape(latents))

    def _at(self, digits):
        firsts = [sum(self.levels[:j]) for j in range(self.embedding_dim)]
        return ops.take(self.values, digits + ops.convert_to_tensor(firsts, "int32"))


@named("latent")
def _latent(settings, levels=None, **options):
    levels = levels or mixed_radix.levels_near(settings.num_embeddings)
    return LatentQuantizer(levels, **settings.options(options, "assignment"))

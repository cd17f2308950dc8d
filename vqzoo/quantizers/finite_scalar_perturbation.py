"""Finite scalar perturbation: quantization is learned as noise of its own size."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_shares
from vqzoo.ops import mean_of, straight_through
from vqzoo.quantizers import mixed_radix
from vqzoo.quantizers.base import Quantizer
from vqzoo.quantizers.transformed_quantizer import low_dimensional
from vqzoo.registry import named
from vqzoo.replicas import draw_rows

# Deviation of a uniform variable, and variance of one whose CDF is (1 + tanh(z)) / 2.
_DEVIATION, _VARIANCE = 12**-0.5, math.pi**2 / 12


@keras.saving.register_keras_serializable("vqzoo")
class FiniteScalarPerturbation(Quantizer):
    """Cuts the range of each channel into cells; training moves latents within a cell.

    A channel is brought to (0, 1) by (1 + tanh) / 2, which makes a logistic variable
    uniform, and cut into equal cells, whose middles are the codes. In training noise as
    wide as a cell stands in the place of rounding, so that no gradient is estimated.
    At inference the cell's middle is taken.

    Args:
        levels: sequence of ints of at least 2, cells of each channel. Their product is
            the number of codes.
        quantize_share: float in [0, 1). Share of the numbers that are rounded all the
            same in training, with the straight-through gradient. Defaults to 0.
        mean_weight: float, weight of the loss of the channels' means.
        variance_weight: float, weight of that of their variances.
        assignment: None: the noise is the quantizer.
        seed: int or None, of the noise.
    Input shape: `(batch, ..., embedding_dim)`, float, any range, where `embedding_dim`
        is the number of levels given.
    Output shape: same, of deviation 1 for uniform cells. Codes: `(batch, ...)`, int32,
        in [0, K); the digit of the first channel changes fastest.
    Losses: mean_weight * mean(m ** 2) and variance_weight * mean((v - pi^2 / 12) ** 2)
        of the means m and variances v of the channels over the batch.
    State: none.
    Raises: ValueError: if a level is below 2, a number is out of its range, or an
        assignment is given.
    Source: VP-VAE 2026, arXiv 2602.17133. Differs: tanh alone of its activations; no
        losses of higher moments.
    Example:
        >>> quantizer = FiniteScalarPerturbation((8, 5, 5, 5))
        >>> quantizer.encode(quantizer(np.ones((2, 8, 8, 4), "float32"))).shape
        TensorShape([2, 8, 8])
    """

    cost_arguments = {"mean": "mean_weight", "variance": "variance_weight"}

    def __init__(
        self,
        levels,
        *,
        quantize_share=0.0,
        mean_weight=0.1,
        variance_weight=0.07,
        assignment=None,
        seed=None,
        **kwargs,
    ):
        levels = mixed_radix.check_levels(levels)
        super().__init__(
            math.prod(levels), len(levels), assignment=assignment, **kwargs
        )
        check_shares(quantize_share=quantize_share)
        if assignment is not None:
            raise ValueError(
                "expected no assignment, since the quantizer is noise itself, received "
                f"assignment={assignment}"
            )
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def codebook(self):
        """The implicit code vectors in the order of their indices, `(K, D)`."""
        return self._vectors(ops.arange(self.num_embeddings, dtype="int32"))

    def _quantize(self, latents, training, mask=None):
        inside = (ops.tanh(latents) + 1) / 2
        # The bound makes a number of an infinite latent, which nothing would show.
        inside = ops.where(ops.isfinite(latents), inside, float("nan"))
        middles = self._middles(self._digits(latents))
        outputs = straight_through(inside, middles)
        if training:
            outputs = self._perturbed(inside, outputs)
        terms = _moments(ops.reshape(latents, (-1, self.embedding_dim)), mask)
        return (outputs - 0.5) / _DEVIATION, terms

    def _perturbed(self, inside, rounded):
        """Places moved within half a cell, but not out of the range."""

        def draw(num_rows):
            shape = (2, num_rows, *inside.shape[1:])
            return ops.swapaxes(
                keras.random.uniform(shape, seed=self.seed_generator), 0, 1
            )

        numbers = draw_rows(draw, ops.shape(inside)[0])
        moved = inside + (2 * numbers[:, 0] - 1) / (2 * self._counts())
        stays = ops.logical_or(moved <= 0, moved >= 1)
        moved = ops.where(stays, inside, moved)
        return ops.where(numbers[:, 1] < self.quantize_share, rounded, moved)

    def _nearest(self, latents):
        return mixed_radix.to_indices(self._digits(latents), self.levels)

    def _vectors(self, codes):
        middles = self._middles(mixed_radix.to_digits(codes, self.levels))
        return (middles - 0.5) / _DEVIATION

    def _digits(self, latents):
        inside = (ops.tanh(latents) + 1) / 2
        digits = ops.cast(ops.floor(inside * self._counts()), "int32")
        return ops.minimum(digits, ops.convert_to_tensor(self.levels, "int32") - 1)

    def _middles(self, digits):
        return (ops.cast(digits, "float32") + 0.5) / self._counts()

    def _counts(self):
        return ops.convert_to_tensor(self.levels, "float32")


def _moments(rows, mask):
    """How far the channels are from a mean of 0 and the variance that tanh is for."""
    means = mean_of(rows, mask, axis=0)
    variances = mean_of(ops.square(rows - means), mask, axis=0)
    return {
        "mean": ops.mean(ops.square(means)),
        "variance": ops.mean(ops.square(variances - _VARIANCE)),
    }


@named("fsp")
def _fsp(settings, levels=None, **options):
    levels = levels or mixed_radix.levels_near(settings.num_embeddings)
    options = settings.options(options, "seed")
    layer = FiniteScalarPerturbation(levels, **options)
    return low_dimensional(layer, settings.embedding_dim)

"""Lookup-free quantization: each channel of the latents gives one bit of the code."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_not_negative, check_positive, is_int
from vqzoo.ops import mean_of, straight_through, unit_norm
from vqzoo.quantizers import mixed_radix
from vqzoo.quantizers.base import Quantizer, mean_squared_distance
from vqzoo.quantizers.bit_entropy import mixture_entropy, row_entropy
from vqzoo.quantizers.residual_quantizer import ResidualQuantizer
from vqzoo.quantizers.transformed_quantizer import (
    TransformedQuantizer,
    batch_normalized,
)
from vqzoo.registry import named

_MOST_GROUP_BITS = 16


@keras.saving.register_keras_serializable("vqzoo")
class LookupFreeQuantizer(Quantizer):
    """Keeps the sign of each channel; the bits of all channels are the code.

    The codes are the corners of a cube and are not learned. The entropy loss makes each
    bit clear and all codes alike in use, the commitment loss pulls the latents toward
    their corner. Both, and the gradient, see the latents in units of their own size,
    so that nothing saturates whatever the encoder's scale. At inference the same signs
    are taken.

    Args:
        num_bits: int from 1 to 30, the last axis of the latents. There are
            `2 ** num_bits` codes.
        spherical: bool. Whether latents and codes have length 1, as in binary spherical
            quantization: +-1 / sqrt(num_bits). Defaults to False, codes of +-1.
        entropy_weight: float, weight of the entropy loss. Defaults to 0.01.
        diversity_gamma: float, weight of the mean assignment's entropy within the
            entropy loss. Defaults to 1.
        commitment_cost: float, weight of the commitment loss. Defaults to 0.0025.
        inverse_temperature: float above 0, t in p(c) ~ exp(-t |u - c|^2), where u are
            the latents in the units below and c has +-1 in each channel. Defaults to 1.
        group_bits: int from 1 to 16. The entropy of the mean assignment is exact for up
            to that many bits. More bits are cut into groups, taken as if they were
            independent; 1 is the product of the marginals. Defaults to 10.
        assignment: None. Noise is for codes whose neighbors can be alike.
    Input shape: `(batch, ..., num_bits)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K); the bit of the first
        channel is the lowest.
    Losses: entropy_weight * (entropy of each assignment - diversity_gamma * entropy of
        the mean assignment) / num_bits, nats, and commitment_cost * mean((u - sg(c)) **
        2). The latents u are divided by their root mean square: over this replica's
        whole batch or, if spherical, over each latent.
    State: none.
    Raises: ValueError: if a number is out of its range, the last axis of the input is
        not `num_bits`, or an assignment is given.
    Source: Yu et al. 2023, arXiv 2310.05737, section 3.1; spherical, the entropy of
        each as a sum over bits and the marginals: Zhao et al. 2024, arXiv 2406.07548.
        Differs: the units of the latents; the terms are means per channel; much smaller
        weights, because with codes of fixed length a commitment cost of 0.25 outweighs
        the reconstruction: the bits freeze early and few codes are used.
    Example:
        >>> quantizer = LookupFreeQuantizer(9)
        >>> quantizer.encode(quantizer(np.ones((2, 8, 8, 9), "float32"))).shape
        TensorShape([2, 8, 8])
    """

    cost_arguments = {"entropy": "entropy_weight", "commitment": "commitment_cost"}

    def __init__(
        self,
        num_bits,
        *,
        spherical=False,
        entropy_weight=0.01,
        diversity_gamma=1.0,
        commitment_cost=0.0025,
        inverse_temperature=1.0,
        group_bits=10,
        assignment=None,
        **kwargs,
    ):
        check_range("num_bits", num_bits, 1, 30)
        super().__init__(2**num_bits, num_bits, assignment=assignment, **kwargs)
        check_range("group_bits", group_bits, 1, _MOST_GROUP_BITS)
        check_not_negative(diversity_gamma=diversity_gamma)
        check_positive(inverse_temperature=inverse_temperature)
        if assignment is not None:
            raise ValueError(
                "expected no assignment, because codes of neighboring numbers can "
                f"differ in every bit, received assignment={assignment}"
            )
        self._keep(locals())

    @property
    def codebook(self):
        """The implicit code vectors in the order of their indices, `(K, num_bits)`."""
        return self._vectors(ops.arange(self.num_embeddings, dtype="int32"))

    def _quantize(self, latents, training, mask=None):
        units, bits = self._units(latents, mask), _bits(latents)
        quantized = straight_through(units * self._length(), self._corners(bits))
        return quantized, self._terms(units, bits, mask)

    def _nearest(self, latents):
        return mixed_radix.to_indices(_bits(latents), (2,) * self.num_bits)

    def _vectors(self, codes):
        return self._corners(mixed_radix.to_digits(codes, (2,) * self.num_bits))

    def _units(self, latents, mask):
        """Latents of root mean square 1."""
        if self.spherical:
            return unit_norm(latents) * math.sqrt(self.num_bits)
        return latents / ops.sqrt(
            ops.maximum(mean_of(ops.square(latents), mask), 1e-12)
        )

    def _length(self):
        """What a code has, up to its sign, in each channel."""
        return 1 / math.sqrt(self.num_bits) if self.spherical else 1.0

    def _corners(self, bits):
        return (2 * ops.cast(bits, "float32") - 1) * self._length()

    def _terms(self, units, bits, mask):
        # |u - c|^2 is a sum over the channels, so that the bits are independent; in it
        # the two values of a bit differ by 4 u.
        logits = ops.reshape(4 * self.inverse_temperature * units, (-1, self.num_bits))
        single = row_entropy(logits, mask)
        joint = mixture_entropy(logits, self.group_bits, mask)
        signs = 2 * ops.cast(bits, "float32") - 1
        return {
            "entropy": (single - self.diversity_gamma * joint) / self.num_bits,
            "commitment": mean_squared_distance(units, signs, mask),
        }


def _bits(latents):
    return ops.cast(latents > 0, "int32")


def check_range(name, value, least, most):
    """Raises ValueError unless a value is an int from `least` to `most`."""
    if not is_int(value) or not least <= value <= most:
        raise ValueError(
            f"expected {name} to be an int from {least} to {most}, received "
            f"{name}={value}"
        )


@named("lfq")
def _lfq(settings, num_bits=None, **options):
    num_bits = num_bits or (settings.num_embeddings - 1).bit_length()
    return LookupFreeQuantizer(num_bits, **settings.options(options, "assignment"))


@named("binary_spherical")
def _binary_spherical(settings, **options):
    """`lfq` with latents on the unit sphere."""
    return _lfq(settings, spherical=True, **options)


@named("residual_lfq")
def _residual_lfq(settings, num_stages=4, num_bits=None, **options):
    """Stages of `lfq`, each with codes of half the length, on normalized latents."""
    num_bits = num_bits or (settings.num_embeddings - 1).bit_length()

    def stage(index):
        layer = LookupFreeQuantizer(num_bits, **options)
        before, after = (keras.layers.Rescaling(x**index) for x in (2.0, 0.5))
        return TransformedQuantizer(layer, num_bits, before=before, after=after)

    # Codes have fixed lengths: latents of another scale would give the first bits only.
    stages = [stage(index) for index in range(num_stages)]
    return batch_normalized(ResidualQuantizer(stages))

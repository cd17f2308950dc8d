"""Finite scalar quantization: each channel is rounded to a few fixed levels."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_one_of
from vqzoo.ops import straight_through
from vqzoo.quantizers import mixed_radix
from vqzoo.quantizers.base import Quantizer
from vqzoo.quantizers.transformed_quantizer import batch_normalized
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class FiniteScalarQuantizer(Quantizer):
    """Rounds each channel of the latents to one of a few fixed levels.

    A channel is bounded by tanh and rounded; the codebook is the grid of all
    combinations of levels and is not learned. At inference the rounding is the same,
    without noise. `encode` takes latents before their bound: `encode(decode(codes))`
    need not be `codes`.

    Args:
        levels: sequence of ints of at least 2, how many values each channel has. Their
            product is the number of codes, for example 1000 for (8, 5, 5, 5).
        bound: `"inner"`, as the paper has it, or `"outer"`, as vector-quantize-pytorch:
            the range ends a thousandth beyond the outer levels and not within them, and
            0 stays on its level exactly. Codes at borders differ. Defaults to
            `"inner"`.
        assignment: `NoisyAssignment` or None: noise on the digit of each channel,
            within its own levels, during training. The decoder receives the result.
    Input shape: `(batch, ..., embedding_dim)`, float, any range, where `embedding_dim`
        is the number of levels given.
    Output shape: same, in [-1, 1]. Codes: `(batch, ...)`, int32, in [0, K); the digit
        of the first channel changes fastest.
    Losses: none.
    State: none.
    Raises: ValueError: if a level is below 2, there are more codes than int32 counts,
        the last axis of the input is not the number of levels, or the assignment
        needs a codebook.
    Source: Mentzer et al. 2023, arXiv 2309.15505, section 3 and its listing. Differs:
        two levels meet at 0, where the published shift puts nearly all latents into
        one; the margin at the ends is at most a quarter of a step, so that the outer
        of more than 500 levels can be reached.
    Example:
        >>> quantizer = FiniteScalarQuantizer((8, 5, 5, 5))
        >>> quantizer.encode(quantizer(np.ones((2, 8, 8, 4), "float32"))).shape
        TensorShape([2, 8, 8])
    """

    def __init__(self, levels, *, bound="inner", assignment=None, **kwargs):
        levels = mixed_radix.check_levels(levels)
        super().__init__(
            math.prod(levels), len(levels), assignment=assignment, **kwargs
        )
        check_one_of(_RANGES, bound=bound)
        self._keep(locals())
        mixed_radix.check_assignment(assignment)

    @property
    def codebook(self):
        """The implicit code vectors in the order of their indices, `(K, D)`."""
        return self._vectors(ops.arange(self.num_embeddings, dtype="int32"))

    def _quantize(self, latents, training, mask=None):
        bounded = _bound(latents, self.levels, self.bound)
        digits = self._digits(bounded)
        if training and self.assignment is not None:
            digits = mixed_radix.perturb(self.assignment, digits, self.levels)
        scaled = bounded / self._half_widths("float32")
        # The bound makes a number of an infinite latent, which nothing would show.
        scaled = ops.where(ops.isfinite(latents), scaled, float("nan"))
        return straight_through(scaled, self._at(digits)), {}

    def _nearest(self, latents):
        digits = self._digits(_bound(latents, self.levels, self.bound))
        return mixed_radix.to_indices(digits, self.levels)

    def _vectors(self, codes):
        return self._at(mixed_radix.to_digits(codes, self.levels))

    def _digits(self, bounded):
        return ops.cast(ops.round(bounded), "int32") + self._half_widths("int32")

    def _at(self, digits):
        half_widths = self._half_widths("float32")
        return (ops.cast(digits, "float32") - half_widths) / half_widths

    def _half_widths(self, dtype):
        return ops.convert_to_tensor([count // 2 for count in self.levels], dtype)


def _bound(latents, levels, bound):
    """Latents in the range that rounds to -(count // 2), ..., (count - 1) // 2.

    An even number of levels has no middle one: the range is half a step lower, and the
    shift leaves 0 where it was, on a level.
    """
    columns = [_RANGES[bound](count) for count in levels]
    half, offset, shift = (
        ops.convert_to_tensor(column, "float32") for column in zip(*columns)
    )
    return ops.tanh(ops.cast(latents, "float32") + shift) * half - offset


def _inner(count):
    """Half the width of the range, how much lower it is, and the shift inside tanh."""
    whole = (count - 1) / 2
    half = whole - min(1e-3 * whole, 0.25)
    offset = 0.0 if count % 2 else 0.5
    shift = 0.0 if count == 2 else math.tan(offset / half)
    return half, offset, shift


def _outer(count):
    """The same as vector-quantize-pytorch has it."""
    half = (count - 1) / 2 * (1 + 1e-3)
    offset = 0.0 if count % 2 else 0.5
    return half, offset, math.atanh(offset / half)


_RANGES = {"inner": _inner, "outer": _outer}


def make_grid(settings, stage=0, levels=None, **options):
    """A grid of about as many codes as the settings say; options before settings."""
    levels = levels or mixed_radix.levels_near(settings.num_embeddings)
    options = settings.options(options, "assignment", stage=stage)
    return FiniteScalarQuantizer(levels, **options)


@named("fsq")
def _fsq(settings, **options):
    return batch_normalized(make_grid(settings, **options))

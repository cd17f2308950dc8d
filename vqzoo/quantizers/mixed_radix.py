"""Indices of several digits, each with its own number of levels; the first is fastest.

Also what the quantizers of single numbers share: checks, and noise on the digits.
"""

import itertools
import math
import operator

from keras import ops

from vqzoo.arguments import is_int, plain

_LARGEST = 2**31 - 1  # of int32
# Levels near a power of 2 codes: Mentzer et al. 2023, arXiv 2309.15505, table 1.
_LEVELS = {
    64: (8, 8),
    256: (8, 6, 5),
    512: (8, 8, 8),
    1024: (8, 5, 5, 5),
    4096: (7, 5, 5, 5, 5),
    16_384: (8, 8, 8, 6, 5),
    65_536: (8, 8, 8, 5, 5, 5),
}


def levels_near(num_codes):
    """Levels of a grid that has about as many codes."""
    return _LEVELS[min(_LEVELS, key=lambda size: abs(size - num_codes))]


def check_levels(levels):
    """`levels` as a tuple; ValueError unless ints of at least 2 that fit int32."""
    levels = plain(tuple(levels))
    if not levels or not all(is_int(n) and n >= 2 for n in levels):
        raise ValueError(
            f"expected levels to be one or more ints of at least 2, received "
            f"levels={levels}"
        )
    if math.prod(levels) > _LARGEST:
        raise ValueError(
            f"expected at most {_LARGEST} codes, so that an index fits int32, received "
            f"levels={levels} with {math.prod(levels)}"
        )
    return levels


def check_assignment(assignment):
    """Raises ValueError for an assignment that needs a codebook of whole vectors."""
    if assignment is not None and assignment.needs_codebook:
        raise ValueError(
            "expected an assignment that acts on indices alone, for example "
            f"NoisyAssignment, received assignment={type(assignment).__name__}"
        )


def to_indices(digits, levels):
    """One index for several digits.

    Args:
        digits: int `(..., d)`, digit j in [0, levels[j]).
        levels: d ints.

    Returns:
        int32 `(...)`, in [0, product of the levels).
    """
    return ops.sum(ops.cast(digits, "int32") * _place_values(levels), axis=-1)


def to_digits(indices, levels):
    """The digits of indices, the inverse of `to_indices`.

    Args:
        indices: int `(...)`, in [0, product of the levels).
        levels: d ints.

    Returns:
        int32 `(..., d)`.
    """
    indices = ops.expand_dims(ops.cast(indices, "int32"), -1)
    places = ops.floor_divide(indices, _place_values(levels))
    return ops.mod(places, ops.convert_to_tensor(levels, "int32"))


def _place_values(levels):
    values = itertools.accumulate(levels[:-1], operator.mul, initial=1)
    return ops.convert_to_tensor(list(values), "int32")


def perturb(assignment, digits, levels):
    """Digits int32 `(batch, ..., d)` after noise, each within its own levels."""
    columns = [
        assignment(digits[..., j], num_embeddings=count, training=True)
        for j, count in enumerate(levels)
    ]
    return ops.stack(columns, axis=-1)

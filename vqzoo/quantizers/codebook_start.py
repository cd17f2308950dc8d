"""How a codebook starts: from an array, an initializer, or latents over some steps."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import known_values


def initializer(value, shape):
    """What places a codebook: an array becomes the initializer that gives it.

    Args:
        value: array of that shape, or whatever `add_weight` takes.
        shape: tuple of ints.

    Raises:
        ValueError: if the array has another shape or is not finite.
    """
    if value is None or isinstance(value, str | dict) or callable(value):
        return value
    array = np.asarray(known_values(value), "float32")
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(
            f"expected codebook_init to be a name, an initializer or finite numbers of "
            f"shape {shape}, received shape={array.shape}"
        )
    return keras.initializers.Constant(array)


def check_trainable_codes(trainable_codes, num_embeddings):
    """A mask of codes as a tuple of bools, or None; ValueError for another length."""
    if trainable_codes is None:
        return None
    chosen = np.asarray(known_values(trainable_codes))
    if chosen.shape != (num_embeddings,) or chosen.dtype != bool:
        raise ValueError(
            f"expected trainable_codes to be {num_embeddings} bools, received "
            f"shape={chosen.shape}, dtype={chosen.dtype}"
        )
    return tuple(chosen.tolist())


def place_next(codebook, started, count, rows):
    """Places the codes that have no place yet on latents of a step.

    A step with fewer latents than there are codes left places so many of them for good;
    the others get latents that are in use already, until their turn comes.

    Args:
        codebook: float32 `(K, D)`.
        started: float32 scalar, share of the codes that are placed.
        count: int32 scalar, how many latents of their own there are.
        rows: float32 `(n, D)`, n at least K: these, and then others for codes that must
            wait.

    Returns:
        `(codebook, started, is_new)`, where bool `(K,)` `is_new` tells the codes that
        were given a latent.
    """
    num_codes = codebook.shape[0]
    placed = ops.cast(ops.round(started * num_codes), "int32")
    turn = ops.arange(num_codes, dtype="int32") - placed
    is_new = ops.logical_and(turn >= 0, count > 0)
    latents = ops.take(rows, ops.maximum(turn, 0), axis=0)
    codebook = ops.where(is_new[:, None], latents, codebook)
    now = ops.cast(ops.minimum(placed + count, num_codes), "float32") / num_codes
    return codebook, now, is_new


def usable_first(drawn, usable):
    """How many rows are usable, and as many as were drawn: those, in turn again.

    Args:
        drawn: float32 `(n, D)`.
        usable: bool `(n,)`.

    Returns:
        `(count, rows)`: int32 scalar and `(n, D)`; without any, the rows as they were.
    """
    size = drawn.shape[0]
    count = ops.sum(ops.cast(usable, "int32"))
    places = ops.arange(size, dtype="int32")
    order = ops.argsort(ops.where(usable, 0, size) + places)
    index = ops.take(order, ops.mod(places, ops.maximum(count, 1)))
    return count, ops.take(drawn, index, axis=0)


def no_place_yet(shape, dtype=None):
    """Short codes that mark a codebook as not set yet: no draw gives them."""
    # All of it is exact in float32, so that every backend and compiler gives the same.
    numbers = ops.arange(shape[0] * shape[1], dtype="int32") % 2**20
    numbers = (numbers * 421 + 1) % 2**20
    values = ops.cast(numbers, dtype or "float32") / 2.0**23 - 2.0**-4
    return ops.reshape(values, shape)

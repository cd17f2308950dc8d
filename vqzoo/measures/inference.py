"""Encoding and decoding of whole arrays, a batch at a time."""

import keras
import numpy as np


def compiled(function):
    """A function of tensors as a graph, which calls of many small batches are fast in.

    Args:
        function: from arrays, or tuples of them, to tensors; of any batch size.

    Returns:
        Function of the same arrays. On other backends than TensorFlow it is `function`.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False, reduce_retracing=True)


def in_batches(function, *arrays, batch_size=128):
    """What a function makes of long arrays, a batch at a time.

    Args:
        function: from batches of the arrays to an array `(B, ...)` or a structure of
            arrays, such as `model.encode` and `model.decode`.
        *arrays: numpy `(N, ...)`, N of at least 1, or structures of such, as the codes
            of all tiers. A tier that is left out is None in each batch.
        batch_size: int.

    Returns:
        Numpy arrays `(N, ...)`, in the structure that `function` gives.

    Raises:
        ValueError: if there are no images.
    """
    count = next(len(a) for a in keras.tree.flatten(arrays) if a is not None)
    if not count:
        raise ValueError("expected at least one image, received 0")
    parts = []
    for start in range(0, count, batch_size):
        batch = _rows(arrays, slice(start, start + batch_size))
        parts.append(keras.tree.map_structure(np.asarray, function(*batch)))
    return keras.tree.map_structure(lambda *same: np.concatenate(same), *parts)


def decode_with(decode, codes, tier, tier_codes):
    """Images of codes of which one tier has others, clipped to [-0.5, 0.5].

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int `(N, h, w)`, top first.
        tier: int, which of them is replaced.
        tier_codes: int `(N, h, w)`.
    """
    codes = (*codes[:tier], tier_codes, *codes[tier + 1 :])
    return np.clip(in_batches(decode, codes), -0.5, 0.5)


def _rows(arrays, rows):
    return keras.tree.map_structure(lambda a: None if a is None else a[rows], arrays)

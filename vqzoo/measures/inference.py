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
            arrays.
        *arrays: numpy `(N, ...)`, N of at least 1.
        batch_size: int.

    Returns:
        Numpy arrays `(N, ...)`, in the structure that `function` gives.
    """
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        outputs = function(*(array[start : start + batch_size] for array in arrays))
        parts.append(keras.tree.map_structure(np.asarray, outputs))
    return keras.tree.map_structure(lambda *each: np.concatenate(each), *parts)


def encode_all(encode, images, batch_size=128):
    """Codes of many images.

    Args:
        encode: function from images `(B, H, W, C)` to a tuple of codes `(B, h, w)`.
        images: float `(N, H, W, C)`, N of at least 1.
        batch_size: int.

    Returns:
        Tuple of int32 numpy arrays `(N, h, w)`, as `encode` orders them.

    Raises:
        ValueError: if there are no images.
    """
    if not len(images):
        raise ValueError("expected at least one image, received 0")
    return tuple(in_batches(encode, images, batch_size=batch_size))


def decode_all(decode, codes, batch_size=128):
    """Images of many codes.

    Args:
        decode: function from a tuple of codes `(B, h, w)` to images.
        codes: tuple of int arrays `(N, h, w)`.
        batch_size: int.

    Returns:
        Float numpy array `(N, H, W, C)`.
    """
    return in_batches(lambda *batch: decode(batch), *codes, batch_size=batch_size)

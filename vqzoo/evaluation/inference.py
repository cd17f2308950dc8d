"""Encoding and decoding of whole arrays, a batch at a time."""

import numpy as np


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
    batches = [
        [np.asarray(codes) for codes in encode(images[i : i + batch_size])]
        for i in range(0, len(images), batch_size)
    ]
    return tuple(np.concatenate(tier) for tier in zip(*batches))


def decode_all(decode, codes, batch_size=128):
    """Images of many codes.

    Args:
        decode: function from a tuple of codes `(B, h, w)` to images.
        codes: tuple of int arrays `(N, h, w)`.
        batch_size: int.

    Returns:
        Float numpy array `(N, H, W, C)`.
    """
    return np.concatenate(
        [
            np.asarray(decode(tuple(tier[i : i + batch_size] for tier in codes)))
            for i in range(0, len(codes[0]), batch_size)
        ]
    )

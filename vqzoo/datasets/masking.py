"""Examples for masked priors: codes of which a random part is hidden."""

import numpy as np
import tensorflow as tf


def hide(codes: tf.Tensor, seed: tf.Tensor, mask_code: int):
    """Hide a random part of each grid of codes.

    The part is the cosine of a uniform angle, as when a grid is filled step by step;
    at least one position of a grid is hidden.

    Args:
        codes: int32 `(batch, height, width)`.
        seed: int `(2,)`; equal seeds hide equal positions.
        mask_code: int, the code that stands for a hidden position.

    Returns:
        `(hidden, weights)`: codes with hidden positions, and float32 weights of the
        same shape, 0 where nothing is hidden, whose mean over the batch is 1.

    Source: Chang et al. 2022, arXiv 2202.04200, section 3.1 and 3.3.
    """
    shape = tf.shape(codes)
    places = shape[1] * shape[2]
    parts = tf.random.stateless_uniform([2], seed, 0, 2**31 - 1, tf.int32)
    angle = tf.random.stateless_uniform([shape[0]], [parts[0], 0], 0, np.pi / 2)
    count = tf.math.ceil(tf.cos(angle) * tf.cast(places, tf.float32))
    count = tf.maximum(tf.cast(count, tf.int32), 1)
    order = tf.random.stateless_uniform([shape[0], places], [parts[1], 1])
    ranks = tf.argsort(tf.argsort(order, axis=1), axis=1)
    mask = tf.reshape(ranks < count[:, None], shape)
    weights = tf.cast(mask, tf.float32)
    return tf.where(mask, mask_code, codes), weights / tf.reduce_mean(weights)

"""Normal distributions over latents: bounds, noise, divergences in nats."""

import keras
import numpy as np
from keras import ops

from vqzoo.replicas import draw_rows


def soft_clamp(values, bound):
    """`values` brought into (-bound, bound), nearly unchanged where they are small."""
    return bound * ops.tanh(values / bound)


def per_image(values):
    """Sum of `values` `(batch, ...)` over every axis but the first: `(batch,)`."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def standard_kl(mean, log_variance):
    """Divergence of N(mean, exp(log_variance)) from N(0, 1), in nats per image.

    Args:
        mean: float32 `(batch, ...)`.
        log_variance: float32, same shape.

    Returns:
        Float32 `(batch,)`.

    Source: Kingma and Welling 2013, arXiv 1312.6114, appendix B.
    """
    spread = ops.expm1(log_variance) - log_variance
    return 0.5 * per_image(ops.square(mean) + spread)


def residual_kl(shift, log_factor, prior_log_scale):
    """Divergence of a normal from the prior that it is a change of, in nats per image.

    The prior is N(m, s ** 2), the other N(m + shift, (s * exp(log_factor)) ** 2).

    Args:
        shift: float32 `(batch, ...)`.
        log_factor: float32, same shape.
        prior_log_scale: float32, same shape, log s.

    Returns:
        Float32 `(batch,)`.

    Source: Vahdat and Kautz 2020, arXiv 2007.03898, eq. 2.
    """
    distance = ops.square(shift * ops.exp(-prior_log_scale))
    spread = ops.expm1(2 * log_factor) - 2 * log_factor
    return 0.5 * per_image(distance + spread)


def noise_like(values, seed):
    """Standard normal noise, float32, in the shape of `values` `(batch, ...)`.

    Replicas of one batch draw from the same stream, each its own rows, so that the
    noise equals one device's on the joined batch.
    """

    def draw(num_rows):
        shape = (num_rows, *ops.shape(values)[1:])
        return keras.random.normal(shape, dtype="float32", seed=seed)

    return draw_rows(draw, ops.shape(values)[0])


def seeds(seed, generator, count):
    """One seed for each of `count` draws, so that they differ.

    Args:
        seed: int, `keras.random.SeedGenerator` or None.
        generator: `keras.random.SeedGenerator`, for a `seed` of None.
        count: int.

    Returns:
        List of what the functions of `keras.random` take as `seed`.
    """
    if isinstance(seed, int | np.integer):
        words = np.random.SeedSequence(int(seed)).generate_state(count)
        return [int(word) % 2**31 for word in words]
    return [generator if seed is None else seed] * count

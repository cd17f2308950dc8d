"""Mixtures of Gaussians as the last layer of a network.

Source: Bishop 1994, Mixture density networks.
"""

import numpy as np
from keras import ops

from vqzoo.priors.raster import choose

_LEAST_LOG_SCALE = -7.0  # Data without spread would draw a density without bound.


def num_outputs(num_mixtures, num_values):
    """How many outputs describe a mixture of so many Gaussians over `(V,)`."""
    return num_mixtures * (1 + 2 * num_values)


def parts(outputs, num_mixtures, num_values):
    """Weights `(..., M)`, as logits, means and log scales `(..., M, V)`, of outputs."""
    end_of_means = num_mixtures * (1 + num_values)
    shape = (*ops.shape(outputs)[:-1], num_mixtures, num_values)
    means = ops.reshape(outputs[..., num_mixtures:end_of_means], shape)
    log_scales = ops.reshape(outputs[..., end_of_means:], shape)
    log_scales = ops.maximum(log_scales, _LEAST_LOG_SCALE)
    return outputs[..., :num_mixtures], means, log_scales


def log_density(values, weights, means, log_scales):
    """Log density of values `(..., V)` under mixtures, `(...)`, in nats."""
    distances = (values[..., None, :] - means) * ops.exp(-log_scales)
    log_p = -0.5 * ops.square(distances) - log_scales - 0.5 * np.log(2 * np.pi)
    log_p = ops.log_softmax(weights, axis=-1) + ops.sum(log_p, axis=-1)
    return ops.logsumexp(log_p, axis=-1)


def draw(weights, means, log_scales, heat, uniform, normal):
    """Values `(batch, V)` of mixtures, one each.

    Args:
        weights: `(batch, M)`.
        means: `(batch, M, V)`.
        log_scales: `(batch, M, V)`.
        heat: `(batch, 1)`, temperatures: variances are multiplied by them.
        uniform: `(batch,)` in [0, 1), chooses the Gaussian.
        normal: `(batch, V)`.
    """
    chosen = choose(weights / heat, uniform)[:, None, None]
    means = ops.take_along_axis(means, chosen, axis=1)[:, 0]
    log_scales = ops.take_along_axis(log_scales, chosen, axis=1)[:, 0]
    return means + ops.exp(log_scales) * ops.sqrt(heat) * normal

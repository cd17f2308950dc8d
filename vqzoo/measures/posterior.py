"""Samples from the posterior of an image's latents, compared with the encoder."""

import functools

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped

ORDER = 6.7
TITLE = "Posterior of the latents, sampled"
TEXT = (
    "Hamiltonian Monte Carlo draws the latents of an image from their "
    "posterior, the likelihood of the decoder times the prior. The encoder of a "
    "VAE approximates this posterior by a normal distribution. The distance is "
    "that of its means from the means of the draws, in standard deviations of "
    "the draws; the width is its standard deviation over that of the draws, 1 "
    "if it is right. The mean image of the draws is the posterior predictive."
)
IMAGES, DRAWS, LEAPFROG_STEPS, FIRST_STEP = 16, 100, 5, 0.02
SHOWN = 8


def sample(log_prob, start, *, num_draws=DRAWS, seed=0):
    """Draws from densities by Hamiltonian Monte Carlo, one chain for each.

    As many draws come before, in which each chain finds the length of its steps.

    Args:
        log_prob: function from float `(N, D)` to float `(N,)`, up to a constant.
        start: float `(N, D)`.
        num_draws: int.
        seed: int.

    Returns:
        `(draws, accepted)`: float numpy `(num_draws, N, D)`, and the share of steps
        that each chain took, `(N,)`.

    Raises:
        ValueError: on another backend than TensorFlow, on whose gradients it runs.

    Source: Neal 2011, MCMC using Hamiltonian dynamics, in TensorFlow Probability.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError("sampling a posterior needs KERAS_BACKEND=tensorflow")
    import tensorflow as tf
    import tensorflow_probability as tfp

    start = tf.constant(start, "float32")
    kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
        tfp.mcmc.HamiltonianMonteCarlo(
            log_prob,
            step_size=tf.fill((len(start), 1), FIRST_STEP),
            num_leapfrog_steps=LEAPFROG_STEPS,
        ),
        num_adaptation_steps=int(0.8 * num_draws),
    )
    draw = functools.partial(
        tfp.mcmc.sample_chain,
        num_draws,
        num_burnin_steps=num_draws,
        current_state=start,
        kernel=kernel,
        trace_fn=lambda _, results: results.inner_results.is_accepted,
        seed=(seed, 0),
    )
    draws, accepted = tf.function(draw)()
    return draws.numpy(), accepted.numpy().mean(axis=0)


def beside(draws, mean, deviation):
    """How a normal distribution stands to draws: a dict of floats.

    Args:
        draws: float `(num_draws, N, D)`.
        mean: float `(N, D)`.
        deviation: float `(N, D)`.

    Returns:
        dict: `distance`, the root mean square of the distance of the means, in
        deviations of the draws, and `width`, the median deviation over theirs.
    """
    center, spread = draws.mean(axis=0), np.maximum(draws.std(axis=0), 1e-12)
    return {
        "distance": float(np.sqrt(np.mean(((mean - center) / spread) ** 2))),
        "width": float(np.median(deviation / spread)),
    }


@registry.named("posterior")
def measure(subject, section):
    """Draws of the latents of a few images, compared with the encoder."""
    model = subject.model
    if not model.has_bound or len(subject.codes) != 1:
        raise Skipped("the model has no likelihood of images given one vector")
    from keras import ops

    count = 4 if subject.options.get("quick") else IMAGES
    images = subject.images[:count]
    mean, log_variance = map(ops.convert_to_numpy, model.posterior(images))

    def log_prob(latents):
        error = model.reconstruction_loss(images, model.decode((latents,)))
        return -error - 0.5 * ops.sum(ops.square(latents), axis=-1)

    num_draws = 4 if subject.options.get("quick") else DRAWS
    draws, accepted = sample(log_prob, mean, num_draws=num_draws)
    flat = draws.reshape(-1, draws.shape[-1])
    drawn = ops.convert_to_numpy(subject.decode((flat,)))
    predicted = drawn.reshape(*draws.shape[:2], *images.shape[1:]).mean(axis=0)
    rebuilt = subject.rebuilt[:count]
    numbers = {
        **beside(draws, mean, np.exp(0.5 * log_variance)),
        "accepted": float(accepted.mean()),
        "predictive_error": float(np.mean((predicted - images) ** 2)),
        "encoder_error": float(np.mean((rebuilt - images) ** 2)),
    }
    section.add(numbers)
    words = (
        "distance of the encoder's means, in deviations of the draws",
        "width of the encoder's posterior over that of the draws",
        "share of steps that the chains took",
        "mean squared error of the posterior predictive",
        "mean squared error of the encoder's means, decoded",
    )
    section.table(
        "The encoder beside the posterior",
        ("what", "value"),
        list(zip(words, numbers.values())),
        f"{num_draws} draws of {count} test images, after as many that do not count.",
    )
    section.picture(
        "Images, the posterior predictive, the encoder's means decoded",
        "One column for each image.",
        lambda: plots.strips(
            {
                "image": images[:SHOWN],
                "predictive": predicted[:SHOWN],
                "encoder": rebuilt[:SHOWN],
            }
        ),
    )

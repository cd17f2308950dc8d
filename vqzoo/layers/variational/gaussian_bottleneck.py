"""The bottleneck of a variational autoencoder."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_not_negative
from vqzoo.layers.variational import gaussian
from vqzoo.ops import mean_of

# Standard deviations stay between exp(-5) and exp(5).
_MAX_LOG_VARIANCE = 10.0


@keras.saving.register_keras_serializable("vqzoo")
class GaussianBottleneck(Configured, keras.layers.Layer):
    """Draws latents from a normal posterior and holds it near the standard normal.

    The input names the posterior of each image: means, then log variances. During
    training, latents are drawn by reparameterization, mean + deviation * noise, so that
    the gradient reaches both. At inference the latents are the means.

    Args:
        beta: float, weight of the divergence. 1 is the VAE, more the beta-VAE.
        kl_target: float or None, C, the divergence in nats per image to be held: the
            loss is the distance from it. None minimizes the divergence. Both sides of C
            are penalized, which takes the constraint KL < C of the thesis as an
            equality: below C, the likelihood wants the capacity anyway.
        seed: int or None, of the noise.
    Input shape: `(batch, ..., 2 * latent_dim)`, float, any range. Log variances are
        brought into (-10, 10) by 10 * tanh(x / 10).
    Output shape: `(batch, ..., latent_dim)`.
    Losses: beta * KL, or beta * |KL - kl_target|; KL(posterior || N(0, 1)) in nats per
        image, a sum over the dimensions and a mean over the batch.
    State: none beside the seed.
    Raises: ValueError: if `beta` or `kl_target` is negative, or the last axis is odd.
    Source: Kingma and Welling 2013, arXiv 1312.6114, section 2.4 and appendix B (thesis
        2.3.1 to 2.3.3, eq. 2.5 to 2.9); the target: Burgess et al. 2018, arXiv
        1804.03599, eq. 8. Differs: log variances are bounded; C does not grow.
    Example:
        >>> bottleneck = GaussianBottleneck(beta=4.0, seed=0)
        >>> bottleneck(np.ones((2, 64), "float32"), training=True).shape
        TensorShape([2, 32])
    """

    def __init__(self, *, beta=1.0, kl_target=None, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_not_negative(beta=beta)
        check_not_negative(kl_target=kl_target or 0.0)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(
                "expected moments of shape (batch, ..., 2 * latent_dim), received "
                f"shape={tuple(input_shape)}"
            )

    def call(self, moments, training=False):
        mean, log_variance = self.posterior(moments)
        self.add_loss(self.divergence_loss(mean, log_variance))
        if training and self.trainable:
            noise = gaussian.noise_like(mean, self.seed_generator)
            mean = mean + ops.exp(0.5 * log_variance) * noise
        return ops.cast(mean, self.compute_dtype)

    def divergence_loss(self, mean, log_variance):
        """The loss of a posterior `(batch, ..., latent_dim)`: a float32 scalar."""
        kl = mean_of(gaussian.standard_kl(mean, log_variance))
        distance = kl if self.kl_target is None else ops.abs(kl - self.kl_target)
        return self.beta * distance

    def posterior(self, moments):
        """Mean and log variance of the posterior: float32 `(..., latent_dim)`, each."""
        mean, log_variance = ops.split(ops.cast(moments, "float32"), 2, axis=-1)
        return mean, gaussian.soft_clamp(log_variance, _MAX_LOG_VARIANCE)

    def compute_output_shape(self, moments_shape):
        return (*moments_shape[:-1], moments_shape[-1] // 2)

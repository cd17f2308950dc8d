"""VAE and beta-VAE, and their named models."""

import keras
from keras import ops

from vqzoo.arguments import check_at_least
from vqzoo.layers import GaussianBottleneck
from vqzoo.layers.variational import gaussian
from vqzoo.models import convolutional, likelihoods
from vqzoo.models.coding import takes_items


@keras.saving.register_keras_serializable("vqzoo")
class VAE(likelihoods.LikelihoodModel):
    """Autoencoder whose bottleneck is a normal posterior over one latent vector.

    The encoder gives the mean and the variance of the latents of an image, the decoder
    the mean image of a latent vector. During training, the latents are drawn; at
    inference they are the posterior mean, and the model is deterministic.

    Compile with the model's method `reconstruction_loss` as the loss: with the
    divergence that the bottleneck adds, the loss is then the negative ELBO in nats per
    image (for `beta` 1), of training and, with latents of a fixed seed, of `evaluate`
    and `val_loss`. `"mse"` works too, where the scale is not learned.

    Args:
        image_shape: `(height, width, channels)`; the sides divide by `stride`.
        latent_dim: int, length of the latent vector.
        beta: float, weight of the divergence. 1 is the VAE, more the beta-VAE.
        kl_target: float or None, nats per image that the divergence is held at
            (`GaussianBottleneck`).
        likelihood: `"gaussian"`, or `"bernoulli"` of image + 0.5.
        scale: float or None, standard deviation of the Gaussian likelihood, in units of
            an image's value. None learns one number for all pixels. The Bernoulli
            likelihood has none.
        stride: int, a power of 2: how much smaller the encoder's last grid is.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in the encoder and in the decoder.
        seed: int or None, of the noise.
        dtype: dtype policy of the layers. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, the mean image. Latents: a tuple of one tensor,
        `(batch, latent_dim)`, float32.
    Losses: beta * KL(posterior || N(0, 1)), nats per image; see `GaussianBottleneck`.
    State: log_scale `()`, trainable, where `scale` is None.
    Raises: ValueError: if the sides do not divide by `stride`, a number is out of its
        range or the likelihood is unknown.
    Source: Kingma and Welling 2013, arXiv 1312.6114; Higgins et al. 2017, beta-VAE,
        eq. 4; Burgess et al. 2018, arXiv 1804.03599 (thesis 2.3.1 to 2.3.3, eq. 2.5
        to 2.9). Differs: the network is that of `VQVAE` around a dense bottleneck;
        logits are bounded at 12.
    Example:
        >>> model = VAE(image_shape=(32, 32, 3), latent_dim=16)
        >>> model.encode(np.zeros((2, 32, 32, 3), "float32"))[0].shape
        TensorShape([2, 16])
    """

    encoder_kernel_size = 4

    def __init__(
        self,
        *,
        image_shape=(32, 32, 3),
        latent_dim=128,
        beta=1.0,
        kl_target=None,
        likelihood="gaussian",
        scale=likelihoods.DEFAULT_SCALE,
        stride=8,
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        seed=None,
        dtype=None,
        name=None,
    ):
        convolutional.check_fixed(image_shape)
        convolutional.check_image_shape(image_shape, stride)
        likelihoods.check(likelihood, scale)
        check_at_least(1, latent_dim=latent_dim)
        self._keep(locals())
        self._make_layers()
        self.log_scale = likelihoods.add_log_scale(self)
        self._finish_images()

    def _rebuild(self, images):
        return self._reconstruct(self.bottleneck(self.encoder(images)))

    def _make_layers(self):
        dtype = self.layer_dtype
        features = convolutional.encoder(self, self.stride, "features")
        # The moments are float32, so that no divergence is rounded.
        moments = keras.layers.Dense(
            2 * self.latent_dim, dtype="float32", name="moments"
        )
        self.encoder = keras.Sequential(
            [features, keras.layers.Flatten(dtype=dtype), moments], name="encoder"
        )
        self.bottleneck = GaussianBottleneck(
            beta=self.beta,
            kl_target=self.kl_target,
            seed=self.seed,
            dtype=dtype,
            name="bottleneck",
        )
        height, width = (side // self.stride for side in self.image_shape[:2])
        grid = (height, width, self.num_channels)
        self.expansion = keras.Sequential(
            [
                keras.layers.Dense(
                    height * width * self.num_channels, activation="relu", dtype=dtype
                ),
                keras.layers.Reshape(grid, dtype=dtype),
            ],
            name="expansion",
        )
        self.decoder = convolutional.decoder(self, self.stride, self.image_shape[2])
        self.to_float32 = convolutional.float32_output()

    def _reconstruct(self, latents):
        outputs = self.to_float32(self.decoder(self.expansion(latents)))
        return likelihoods.mean_image(self.likelihood, outputs)

    @takes_items
    def posterior(self, images):
        """Mean and log variance of the latents: float32 `(batch, latent_dim)`, each."""
        return self.bottleneck.posterior(self.encoder(images))

    def encode(self, images):
        """Posterior means of images: float32 `(batch, latent_dim)`, in a tuple."""
        return (self.posterior(images)[0],)

    def decode(self, latents):
        """Mean images of a tuple of latents: float32 `(batch, height, width, C)`."""
        if len(latents) != 1:
            raise ValueError(f"expected 1 tensor of latents, received {len(latents)}")
        return self._reconstruct(ops.cast(latents[0], self.bottleneck.compute_dtype))

    @takes_items
    def elbo(self, images, seed=None, num_samples=1):
        """Lower bound of the log likelihood of each image, in nats, and its parts.

        Args:
            images: float `(batch, height, width, channels)` in [-0.5, 0.5].
            seed: int, `keras.random.SeedGenerator` or None for the model's own.
            num_samples: int, draws of the latents that the likelihood is averaged over.

        Returns:
            Dict of float32 `(batch,)`: `elbo` = `log_likelihood` - `kl`. `beta` plays
            no part.
        """
        mean, log_variance = self.posterior(images)
        kl = gaussian.standard_kl(mean, log_variance)
        log_likelihood = 0.0
        for outputs in self._draws(mean, log_variance, seed, num_samples):
            log_likelihood -= self.reconstruction_loss(images, outputs) / num_samples
        return {"elbo": log_likelihood - kl, "log_likelihood": log_likelihood, "kl": kl}

    def _draws(self, mean, log_variance, seed, count):
        for noise_seed in gaussian.seeds(seed, self.bottleneck.seed_generator, count):
            noise = gaussian.noise_like(mean, noise_seed)
            yield self.decode((mean + ops.exp(0.5 * log_variance) * noise,))

    def _drawn(self, images, seed):
        mean, log_variance = self.posterior(images)
        (outputs,) = self._draws(mean, log_variance, seed, 1)
        return outputs, self.bottleneck.divergence_loss(mean, log_variance)

    def sample(self, num_images, *, temperature=1.0, seed=None):
        """Mean images of latents from the prior.

        Args:
            num_images: int.
            temperature: float, standard deviation of the prior.
            seed: int, `keras.random.SeedGenerator` or None for the model's own.

        Returns:
            Float32 `(num_images, height, width, channels)`.
        """
        (seed,) = gaussian.seeds(seed, self.bottleneck.seed_generator, 1)
        noise = keras.random.normal((num_images, self.latent_dim), seed=seed)
        return self.decode((temperature * noise,))


def vae_32(**overrides):
    """A VAE of 32 x 32 color images, with a learned scale of the likelihood.

    128 latents, 128 hidden channels, a last grid of 4 x 4, 2 residual blocks of 32;
    2,041,476 trainable weights.

    Args:
        **overrides: arguments of `VAE`.

    Returns:
        `VAE`.

    Source: Kingma and Welling 2013, arXiv 1312.6114, eq. 10; the learned scale:
        Rybkin et al. 2020, arXiv 2006.13202. Differs: convolutions, as in `VQVAE`.
    """
    return VAE(**{"name": "vae_32", "scale": None, **overrides})


def vae_64(**overrides):
    """A VAE of 64 x 64 frames, the eye of a world model: 32 latents.

    64 hidden channels, a last grid of 4 x 4, 1 residual block of 32, a learned scale;
    545,540 trainable weights.

    Args and returns: as in `vae_32`.

    Source: Ha and Schmidhuber 2018, arXiv 1803.10122, appendix A.1: the image, the
        grid and the latents of CarRacing. Differs: the network is that of `VQVAE`; the
        likelihood has a learned scale.
    """
    settings = {
        "name": "vae_64",
        "image_shape": (64, 64, 3),
        "latent_dim": 32,
        "scale": None,
        "stride": 16,
        "num_channels": 64,
        "num_residual_blocks": 1,
    }
    return VAE(**{**settings, **overrides})


def beta_vae_32(**overrides):
    """A beta-VAE of 32 x 32 color images: beta 4, 32 latents.

    The network of `vae_32` with a fixed scale of 0.1, because a learned one would make
    up for beta; 1,451,459 trainable weights.

    Args and returns: as in `vae_32`.

    Source: Higgins et al. 2017, beta-VAE, eq. 4 (thesis, eq. 2.9). Differs: the
        likelihood, which the paper leaves to the data.
    """
    settings = {"name": "beta_vae_32", "beta": 4.0, "latent_dim": 32}
    return VAE(**{**settings, **overrides})


def bernoulli_vae_32(**overrides):
    """A VAE of gray images of 32 x 32, as of Fashion-MNIST padded from 28 x 28.

    A Bernoulli likelihood of each value, 20 latents, 64 hidden channels, a last grid of
    4 x 4, 1 residual block of 32; 375,401 trainable weights.

    Args and returns: as in `vae_32`.

    Source: Kingma and Welling 2013, arXiv 1312.6114, appendix C.1. Differs:
        convolutions; gray values count as shares of ones.
    """
    settings = {
        "name": "bernoulli_vae_32",
        "image_shape": (32, 32, 1),
        "latent_dim": 20,
        "likelihood": "bernoulli",
        "num_channels": 64,
        "num_residual_blocks": 1,
    }
    return VAE(**{**settings, **overrides})

"""Hierarchical VAE in the style of NVAE, and its named model."""

import keras
from keras import ops

from vqzoo.layers import EncoderCell, GenerativeCell, LatentHierarchy
from vqzoo.layers.variational import gaussian
from vqzoo.models import convolutional, likelihoods
from vqzoo.models.coding import takes_items


@keras.saving.register_keras_serializable("vqzoo")
class HierarchicalVAE(likelihoods.LikelihoodModel):
    """Autoencoder with groups of normal latents over several scales, coarsest first.

    A deterministic encoder runs from the image up to the coarsest scale; the path down
    (`LatentHierarchy`), which posterior and prior share, draws the groups; the decoder
    makes an image of where that path ends, which has seen them all. At inference the
    latents are the posterior means, and the model is deterministic.

    Compile with the model's method `reconstruction_loss` as the loss: with the
    divergences that the hierarchy adds, the loss is then the negative ELBO in nats per
    image (for `beta` 1 and after the warm-up); that of `evaluate` and `val_loss` always
    is, with latents of a fixed seed.

    Args:
        image_shape: `(height, width, channels)`; the sides divide by `stride` times 2
            for each scale but one.
        groups_per_scale: ints, the number of groups at each scale, coarsest first.
        stride: int, a power of 2, pixels of a side for each of the finest latents.
        num_channels: int, hidden channels of the finest scale; each coarser one has
            twice those of the last.
        latent_dim: int, channels of each group's latents.
        beta: float, weight of the divergences.
        warmup_steps: int, training steps until that weight is full. 0 is none.
        kl_balancing: bool. Whether the warm-up balances the groups.
        likelihood: `"gaussian"`, or `"bernoulli"` of image + 0.5.
        scale: float or None, standard deviation of the Gaussian likelihood, in units of
            an image's value. None learns one number for all pixels. The Bernoulli
            likelihood has none.
        seed: int or None, of the noise.
        dtype: dtype policy of the layers. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, the mean image. Latents: a tuple of float32 `(batch,
        height / s, width / s, latent_dim)`, one for each group, coarsest first.
    Losses: those of `LatentHierarchy`, in nats per image.
    State: that of `LatentHierarchy` and the cells; log_scale `()`, trainable, where
        `scale` is None.
    Raises: ValueError: if the sides do not divide by the coarsest stride, a number is
        out of its range or the likelihood is unknown.
    Source: Vahdat and Kautz 2020, arXiv 2007.03898 (thesis 2.3.4, eq. 2.10, figures
        2.10 and 2.11). Differs: a Gaussian of one scale or a Bernoulli instead of
        a mixture of logistics; one cell a group; what `LatentHierarchy` leaves out.
    Example:
        >>> model = HierarchicalVAE(image_shape=(16, 16, 3), groups_per_scale=(1, 2))
        >>> [z.shape[1:3] for z in model.encode(np.zeros((1, 16, 16, 3), "float32"))]
        [TensorShape([4, 4]), TensorShape([8, 8]), TensorShape([8, 8])]
    """

    def __init__(
        self,
        *,
        image_shape=(32, 32, 3),
        groups_per_scale=(2, 4),
        stride=2,
        num_channels=32,
        latent_dim=20,
        beta=1.0,
        warmup_steps=0,
        kl_balancing=True,
        likelihood="gaussian",
        scale=likelihoods.DEFAULT_SCALE,
        seed=None,
        dtype=None,
        name=None,
    ):
        if stride < 1 or stride & (stride - 1):
            raise ValueError(
                f"expected a stride that is a power of 2, received stride={stride}"
            )
        likelihoods.check(likelihood, scale)
        convolutional.check_fixed(image_shape)
        convolutional.check_image_shape(
            image_shape, stride * 2 ** (len(groups_per_scale) - 1)
        )
        self._keep(locals())
        self.hierarchy = LatentHierarchy(
            groups_per_scale,
            latent_dim,
            beta=beta,
            warmup_steps=warmup_steps,
            kl_balancing=kl_balancing,
            seed=seed,
            dtype=self.layer_dtype,
            name="hierarchy",
        )
        self._make_layers()
        self.log_scale = likelihoods.add_log_scale(self)
        self._finish_images()

    @property
    def total_stride(self):
        return self.stride * 2 ** (len(self.groups_per_scale) - 1)

    def _rebuild(self, images):
        return self._reconstruct(self.hierarchy(self.features(images)))

    def _make_layers(self):
        dtype, channels = self.layer_dtype, self.num_channels
        stem = [_convolution(channels, dtype)]
        decoder = []
        for _ in range(self.stride.bit_length() - 1):
            stem += [_convolution(channels, dtype, strides=2), EncoderCell(dtype=dtype)]
            decoder += [
                GenerativeCell(dtype=dtype),
                keras.layers.UpSampling2D(2, dtype=dtype),
                _convolution(channels, dtype),
            ]
        decoder += [
            keras.layers.BatchNormalization(momentum=0.95, epsilon=1e-5, dtype=dtype),
            keras.layers.Activation("silu", dtype=dtype),
            _convolution(self.image_shape[2], dtype),
        ]
        self.stem = keras.Sequential(stem, name="stem")
        self.decoder = keras.Sequential(decoder, name="decoder")
        self.to_float32 = convolutional.float32_output()
        # Both finest first, as the encoder meets them.
        self.encoder_cells = [
            EncoderCell(dtype=dtype, name=f"encoder_cell_{i}")
            for i in range(sum(self.groups_per_scale))
        ]
        self.downsamplings = [
            _convolution(
                channels * 2 ** (i + 1), dtype, strides=2, name=f"downsampling_{i}"
            )
            for i in range(len(self.groups_per_scale) - 1)
        ]

    def features(self, images):
        """Encoder features of each group, `(batch, h, w, C)`, coarsest first."""
        cells = iter(self.encoder_cells)
        features, hidden = [], self.stem(images)
        for scale, num_groups in enumerate(reversed(self.groups_per_scale)):
            if scale:
                hidden = self.downsamplings[scale - 1](hidden)
            for _ in range(num_groups):
                hidden = next(cells)(hidden)
                features.append(hidden)
        return features[::-1]

    def _reconstruct(self, state):
        outputs = self.to_float32(self.decoder(state))
        return likelihoods.mean_image(self.likelihood, outputs)

    @takes_items
    def encode(self, images):
        """Posterior means of images: a tuple of float32 latents, coarsest first.

        The posterior of each group is that below the means of the groups before it.
        """
        return self.hierarchy.infer(self.features(images))[1]

    def decode(self, latents):
        """Mean images of latents as from `encode`: float32 `(batch, height, width, C)`.

        Raises:
            ValueError: if the number of groups differs.
        """
        return self._reconstruct(self.hierarchy.generate(latents))

    @takes_items
    def elbo(self, images, seed=None, num_samples=1):
        """Lower bound of the log likelihood of each image, in nats, and its parts.

        Args:
            images: float `(batch, height, width, channels)` in [-0.5, 0.5].
            seed: int, `keras.random.SeedGenerator` or None for the model's own.
            num_samples: int, draws of all latents that the parts are averaged over.

        Returns:
            Dict of float32 tensors: `elbo` = `log_likelihood` - `kl`, each `(batch,)`,
            and `group_kls` `(batch, groups)`, which sum to `kl`. `beta` and the
            warm-up play no part.
        """
        features, num_groups = self.features(images), self.hierarchy.num_groups
        log_likelihood = group_kls = 0.0
        seeds = gaussian.seeds(
            seed, self.hierarchy.seed_generator, num_samples * num_groups
        )
        for first in range(0, len(seeds), num_groups):
            group_seeds = seeds[first : first + num_groups]
            state, _, kls = self.hierarchy.infer(features, group_seeds)
            error = self.reconstruction_loss(images, self._reconstruct(state))
            log_likelihood -= error / num_samples
            group_kls += kls / num_samples
        kl = ops.sum(group_kls, axis=1)
        return {
            "elbo": log_likelihood - kl,
            "log_likelihood": log_likelihood,
            "kl": kl,
            "group_kls": group_kls,
        }

    def _drawn(self, images, seed):
        seeds = gaussian.seeds(
            seed, self.hierarchy.seed_generator, self.hierarchy.num_groups
        )
        state, _, kls = self.hierarchy.infer(self.features(images), seeds)
        return self._reconstruct(state), self.beta * ops.mean(ops.sum(kls, axis=1))

    def sample(self, num_images, *, temperature=1.0, seed=None):
        """Mean images of latents from the priors.

        Args:
            num_images: int.
            temperature: float, what the standard deviation of each prior is times.
            seed: int, `keras.random.SeedGenerator` or None for the model's own.

        Returns:
            Float32 `(num_images, height, width, channels)`.
        """
        seeds = gaussian.seeds(
            seed, self.hierarchy.seed_generator, self.hierarchy.num_groups
        )
        return self._reconstruct(self.hierarchy.sample(num_images, temperature, seeds))


def _convolution(channels, dtype, **kwargs):
    return keras.layers.Conv2D(channels, 3, padding="same", dtype=dtype, **kwargs)


def hierarchical_vae_32(*, warmup_steps=10_000, **overrides):
    """A hierarchical VAE of 32 x 32 color images with 10 groups over 3 scales.

    2 groups of 4 x 4, 4 of 8 x 8 and 4 of 16 x 16 latents with 20 channels; 128, 64 and
    32 hidden channels; a learned scale of the likelihood; 10,000 steps of warm-up with
    balancing; 2,440,548 trainable weights.

    Args:
        warmup_steps: int; a recipe takes a share of its own steps instead.
        **overrides: other arguments of `HierarchicalVAE`.

    Returns:
        `HierarchicalVAE`.

    Source: Vahdat and Kautz 2020, arXiv 2007.03898, appendix A. Differs: sizes, a small
        part of the paper's.
    """
    settings = {
        "name": "hierarchical_vae_32",
        "groups_per_scale": (2, 4, 4),
        "scale": None,
        "warmup_steps": warmup_steps,
    }
    return HierarchicalVAE(**{**settings, **overrides})

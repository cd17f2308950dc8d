"""Autoencoder with a flat code of real numbers, and its named models."""

import keras
from keras import layers, ops

from vqzoo.arguments import check_positive_ints
from vqzoo.layers import KSparse, MaskingCorruption
from vqzoo.models import convolutional
from vqzoo.models.base import ImageModel
from vqzoo.models.coding import takes_items


@keras.saving.register_keras_serializable("vqzoo")
class Autoencoder(ImageModel):
    """Autoencoder whose bottleneck is one vector of real numbers per image.

    It learns to reconstruct the image. With `corruption` it sees a corrupted image
    during training and learns to reconstruct the clean one; with `num_active` only the
    k largest units of the vector stay, the others are 0. At inference nothing is
    corrupted and the model is deterministic.

    Args:
        image_shape: `(height, width, channels)`; the sides divide by `stride`.
        latent_dim: int, units of the vector.
        corruption: `GaussianCorruption`, `MaskingCorruption`, any other layer that acts
            on images in training only, or None.
        num_active: int, k of a k-sparse autoencoder, or None for a dense vector.
        inference_factor: float of at least 1, alpha of a k-sparse autoencoder: at
            inference alpha * k units stay. Defaults to 1.
        stride: int, a power of 2: how far the convolutions bring the image down before
            the vector.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in the encoder and in the decoder.
        encoder_kernel_size: int, of the strided convolutions.
        dtype: dtype policy of the network. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Latents: a tuple of one tensor,
        `(batch, latent_dim)`, float32.
    Losses: none of its own. Compile with `"mse"` for the reconstruction term.
    Raises: ValueError: if the sides do not divide by `stride`, it is not a power of 2,
        `latent_dim` is not positive or `num_active` is not in [1, latent_dim].
    Source: Coppock's thesis, sections 2.2.2 to 2.2.4; Vincent et al. 2008 (denoising);
        Makhzani and Frey 2013, arXiv 1312.5663 (k-sparse). Differs: the papers use
        dense layers with tied weights; this is the convolutional network of the VQ-VAE
        with a vector instead of its codes.
    Example:
        >>> model = Autoencoder(image_shape=(32, 32, 3), latent_dim=64)
        >>> model.encode(np.zeros((2, 32, 32, 3), "float32"))[0].shape
        TensorShape([2, 64])
    """

    tier_names = ("bottom",)

    def __init__(
        self,
        *,
        image_shape=(32, 32, 3),
        latent_dim=128,
        corruption=None,
        num_active=None,
        inference_factor=1.0,
        stride=8,
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        encoder_kernel_size=4,
        dtype=None,
        name=None,
    ):
        convolutional.check_fixed(image_shape)
        convolutional.check_image_shape(image_shape, stride)
        _check_sizes(latent_dim, num_active)
        self._keep(locals())
        self._make_layers()
        self._finish_images()

    def _rebuild(self, images):
        seen = images if self.corruption is None else self.corruption(images)
        return self._to_images(self._to_latents(seen))

    def _make_layers(self):
        dtype = self.layer_dtype
        self.encoder = convolutional.encoder(self, self.stride)
        self.flatten = layers.Flatten(dtype=dtype, name="flatten")
        self.bottleneck = layers.Dense(self.latent_dim, dtype=dtype, name="bottleneck")
        self.sparsity = None
        if self.num_active is not None:
            self.sparsity = KSparse(
                self.num_active,
                inference_factor=self.inference_factor,
                dtype=dtype,
                name="sparsity",
            )
        height, width = (side // self.stride for side in self.image_shape[:2])
        grid = (height, width, self.num_channels)
        self.expansion = layers.Dense(
            height * width * self.num_channels, dtype=dtype, name="expansion"
        )
        self.reshape = layers.Reshape(grid, dtype=dtype, name="reshape")
        self.decoder = convolutional.decoder(self, self.stride, self.image_shape[2])
        self.to_float32 = convolutional.float32_output()

    def _to_latents(self, images):
        latents = self.bottleneck(self.flatten(self.encoder(images)))
        return latents if self.sparsity is None else self.sparsity(latents)

    def _to_images(self, latents):
        features = self.reshape(self.expansion(latents))
        return self.to_float32(self.decoder(features))

    @takes_items
    def encode(self, images):
        """Latents of images, uncorrupted: float32 `(batch, latent_dim)`, in a tuple."""
        return (ops.cast(self._to_latents(images), "float32"),)

    def decode(self, latents):
        """Images of a tuple of latents: float32 `(batch, height, width, channels)`."""
        if len(latents) != 1:
            raise ValueError(f"expected latents of 1 tier, received {len(latents)}")
        return self._to_images(latents[0])


def _check_sizes(latent_dim, num_active):
    check_positive_ints(latent_dim=latent_dim)
    if num_active is not None and not 1 <= num_active <= latent_dim:
        raise ValueError(
            f"expected num_active in [1, latent_dim={latent_dim}], received "
            f"num_active={num_active}"
        )


def autoencoder_32(**overrides):
    """A plain autoencoder for 32 x 32 images, with 128 real numbers for each.

    The network of `vqvae_32` with one halving more and a vector instead of the
    codes; 1,779,203 weights.

    Args:
        **overrides: arguments of `Autoencoder`.

    Returns:
        `Autoencoder`.

    Source: none; Coppock's thesis, section 2.2.2, names no sizes.
    """
    return Autoencoder(**{"name": "autoencoder_32", **overrides})


def denoising_autoencoder_32(**overrides):
    """`autoencoder_32` trained on images a quarter of whose pixels are masked.

    1,779,203 weights.

    Args:
        **overrides: arguments of `Autoencoder`; `corruption` takes the place of
            `MaskingCorruption(0.25)`.

    Returns:
        `Autoencoder`.

    Source: Vincent et al. 2008, section 4, where the masked share is up to a half.
    """
    defaults = {
        "name": "denoising_autoencoder_32",
        "corruption": MaskingCorruption(0.25),
    }
    return Autoencoder(**{**defaults, **overrides})


def sparse_autoencoder_32(**overrides):
    """A k-sparse autoencoder for 32 x 32 images: 25 of 1000 units are active.

    5,351,787 weights.

    Args and returns: as in `autoencoder_32`.

    Source: Makhzani and Frey 2013, arXiv 1312.5663, section 4, the sizes for MNIST,
        and Coppock's thesis, figure 2.7.
    """
    defaults = {
        "name": "sparse_autoencoder_32",
        "latent_dim": 1000,
        "num_active": 25,
    }
    return Autoencoder(**{**defaults, **overrides})

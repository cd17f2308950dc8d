"""Independent VQ-VAEs at several strides, and their named model."""

import functools

import keras

from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import convolutional, tiers
from vqzoo.models.coding import takes_items
from vqzoo.models.vqvae import VQVAE


@keras.saving.register_keras_serializable("vqzoo")
class SeparateVQVAEs(tiers.TieredModel):
    """A VQ-VAE for each tier, all on the raw image, with nothing in common.

    A tier that has to rebuild the image on its own cannot leave its work to a finer
    one, so that every tier is used. The price is that the tiers repeat each other. The
    losses add up and no gradient crosses tiers: training all at once is training each.
    The model gives the reconstruction of the finest tier.

    Args:
        quantizers: sequence of quantizer layers, top first, one for each tier.
        image_shape: `(height, width, channels)`; the sides divide by every stride. A
            side that is None is any that divides.
        strides: ints, powers of 2, top first and falling: how many pixels of a side
            share a code of the tier.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside of the residual blocks.
        num_residual_blocks: int, in each encoder and decoder.
        encoder_kernel_size: int, of the strided convolutions.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and what comes back is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple with a tensor for each
        tier, top first, `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizers and, for each tier but the finest, the mean squared
        error of its reconstruction. Compile with `"mse"` for that of the finest.
    Raises: ValueError: if there is no quantizer, the number of strides is another, they
        do not fall, the sides do not divide by a stride, or it is no power of 2.
    Source: Dhariwal et al. 2020, arXiv 2005.00341, section 3.2; Coppock's thesis,
        section 2.4.5. Differs: images instead of sound, so that there is no spectral
        loss.
    Example:
        >>> tiers = [VectorQuantizerEMA(512, 64), VectorQuantizerEMA(512, 64)]
        >>> model = SeparateVQVAEs(tiers, image_shape=(64, 64, 3), strides=(8, 4))
        >>> [c.shape for c in model.encode(np.zeros((1, 64, 64, 3), "float32"))]
        [TensorShape([1, 8, 8]), TensorShape([1, 16, 16])]
    """

    def __init__(
        self,
        quantizers,
        *,
        image_shape=(64, 64, 3),
        strides=(8, 4),
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        encoder_kernel_size=4,
        pad=False,
        dtype=None,
        name=None,
    ):
        tiers.check_quantizers(quantizers)
        _check_strides(strides, len(quantizers))
        convolutional.check_image_shape(image_shape, strides[0], pad)
        self._keep(locals())
        self.vqvaes = [
            self._make_vqvae(*settings)
            for settings in zip(self.tier_names, quantizers, strides)
        ]
        self.errors = [
            tiers.ReconstructionError(name=f"{tier}_error")
            for tier in self.tier_names[:-1]
        ]
        self._finish_images()

    def _rebuild(self, images):
        *coarser, outputs = [vqvae(images) for vqvae in self.vqvaes]
        for error, rebuilt in zip(self.errors, coarser):
            outputs = error(outputs, rebuilt, images)
        return outputs

    def _make_vqvae(self, tier, quantizer, stride):
        vqvae = VQVAE(
            quantizer,
            image_shape=(None, None, self.image_shape[2]),
            stride=stride,
            num_channels=self.num_channels,
            residual_channels=self.residual_channels,
            num_residual_blocks=self.num_residual_blocks,
            encoder_kernel_size=self.encoder_kernel_size,
            dtype=self.layer_dtype,
            name=f"{tier}_vqvae",
        )
        vqvae._warned_of_range = True  # The whole model does it.
        return vqvae

    @property
    def total_stride(self):
        return self.strides[0]

    @property
    def quantizers(self):
        """The quantizer layers, top first."""
        return tuple(vqvae.quantizer for vqvae in self.vqvaes)

    @takes_items
    def latents(self, images):
        """Latents before quantization, a tuple of `(batch, h, w, D)`, top first."""
        return tuple(vqvae.latents(images)[0] for vqvae in self.vqvaes)

    def decode(self, codes, sides=None):
        """Images of codes, float32.

        Args:
            codes: sequence of int tensors `(batch, h, w)`, top first. A tier may be
                None; the finest that is not decides alone.
            sides: as of `VQVAE2.decode`.

        Returns:
            Float32 `(batch, height, width, channels)`.

        Raises:
            ValueError: as of `VQVAE2.decode`.
        """
        codes = tiers.checked_codes(codes, self.quantizers)
        tier = tiers.finest_given(codes)
        return self._cropped(self.vqvaes[tier].decode(codes[tier]), sides)

    def from_quantized(self, quantized, sides=None):
        finest = self.vqvaes[-1].from_quantized(quantized[-1:])
        return self._cropped(finest, sides)

    @property
    def decoded_tiers(self):
        """The finest tier's name: `decode` looks at no other where that is given."""
        return self.tier_names[-1:]

    def reconstructions(self, images):
        """What each tier makes of the images: a tuple of float32 images, top first."""
        sides, padded = images.shape[1:3], self.received(images)
        rebuilt = [vqvae(padded, training=False) for vqvae in self.vqvaes]
        return tuple(self._cropped(images, sides) for images in rebuilt)


def _check_strides(strides, num_tiers):
    falling = all(upper > lower for upper, lower in zip(strides, strides[1:]))
    if len(strides) != num_tiers or not falling:
        raise ValueError(
            f"expected {num_tiers} strides that fall from the top down, one for each "
            f"quantizer, received strides={tuple(strides)}"
        )


def separate_vqvaes_64(quantizer=None, **overrides):
    """Two VQ-VAEs for 64 x 64 images: 8 x 8 and 16 x 16 codes, as in `vqvae2_64`.

    128 hidden channels, 2 residual blocks of 32, K = 512, D = 64; 1,849,990 trainable
    weights with the default quantizers.

    Args:
        quantizer: function from the tier's index, top first, to a quantizer layer.
            Defaults to `VectorQuantizerEMA(512, 64)`.
        **overrides: arguments of `SeparateVQVAEs`.

    Returns:
        `SeparateVQVAEs`.

    Source: none; the networks of `vqvae_32` at the grids of `vqvae2_64`.
    """
    default = functools.partial(VectorQuantizerEMA, 512, 64)
    quantizers = tiers.make_quantizers(quantizer, 2, default)
    return SeparateVQVAEs(quantizers, **{"name": "separate_vqvaes_64", **overrides})

"""Independent VQ-VAEs at several strides, and their named model."""

import functools

import keras
from keras import ops

from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import convolutional, tiers
from vqzoo.models.coding import takes_items
from vqzoo.models.vqvae import VQVAE


@keras.saving.register_keras_serializable("vqzoo")
class SeparateVQVAEs(tiers.TieredModel):
    """A VQ-VAE for each tier, all on the raw image, with nothing in common.

    A tier that must reconstruct the image on its own cannot leave its work to a finer
    tier, so every tier is used. The price is that the tiers repeat each other. The
    losses add up and no gradient crosses tiers, so training all tiers at once equals
    training each alone. The model outputs the reconstruction of the finest tier or,
    with `combined`, that of a decoder that gets the code vectors of all tiers and sends
    no gradient to them.

    Args:
        quantizers: sequence of quantizer layers, top first, one for each tier.
        image_shape: `(height, width, channels)`; the sides divide by every stride. A
            side of None may be any that divides.
        strides: ints, powers of 2, top first and falling: how many pixels of a side
            share a code of the tier.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in each encoder and decoder.
        encoder_kernel_size: int, of the strided convolutions.
        combined: bool. Whether a decoder of all tiers is learned beside those of each.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple with a tensor for each
        tier, top first, `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizers and, for each tier but the finest, or for all where
        they are combined, the mean squared error of its reconstruction. Compile with
        `"mse"` for that of what the model gives.
    Raises: ValueError: if there is no quantizer, the number of strides is another, they
        do not fall, the sides do not divide by a stride, or it is not a power of 2.
    Source: Dhariwal et al. 2020, arXiv 2005.00341, section 3.2; Coppock's thesis,
        section 2.4.5, and combined chapter 5, point 1. Differs: images instead of
        sound, so that there is no spectral loss.
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
        combined=False,
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
            for tier in (self.tier_names if combined else self.tier_names[:-1])
        ]
        if combined:
            channels = sum(layer.embedding_dim for layer in quantizers)
            self.vectors = _Fixed(self._vectors, strides[-1], channels, name="vectors")
            self.decoder = convolutional.decoder(self, strides[-1], image_shape[2])
            self.to_float32 = convolutional.float32_output()
        self._finish_images()

    def _rebuild(self, images):
        rebuilt = [vqvae(images) for vqvae in self.vqvaes]
        outputs = self._of_all(self.vectors(images)) if self.combined else rebuilt[-1]
        for error, alone in zip(self.errors, rebuilt):
            outputs = error(outputs, alone, images)
        return outputs

    def _vectors(self, images):
        """The code vectors of all tiers at the finest grid."""
        codes = [vqvae.encode(images)[0] for vqvae in self.vqvaes]
        quantized = [q.decode(grid) for q, grid in zip(self.quantizers, codes)]
        return _joined(quantized, self.strides)

    def _of_all(self, vectors):
        return self.to_float32(self.decoder(vectors))

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
                None; the finest that is not decides alone, unless tiers are combined
                and none is None.
            sides: as in `VQVAE2.decode`.

        Returns:
            Float32 `(batch, height, width, channels)`.

        Raises:
            ValueError: as in `VQVAE2.decode`.
        """
        codes = tiers.checked_codes(codes, self.quantizers)
        if self.combined and all(grid is not None for grid in codes):
            pairs = zip(self.quantizers, codes)
            return self.from_quantized([q.decode(grid) for q, grid in pairs], sides)
        tier = tiers.finest_given(codes)
        return self._cropped(self.vqvaes[tier].decode(codes[tier]), sides)

    def from_quantized(self, quantized, sides=None):
        if self.combined:
            vectors = _joined(quantized, self.strides)
            return self._cropped(self._of_all(vectors), sides)
        finest = self.vqvaes[-1].from_quantized(quantized[-1:])
        return self._cropped(finest, sides)

    @property
    def decoded_tiers(self):
        """The finest tier's name: `decode` looks at no other where that is given."""
        return self.tier_names if self.combined else self.tier_names[-1:]

    def reconstructions(self, images):
        """What each tier makes of the images: a tuple of float32 images, top first."""
        sides, padded = images.shape[1:3], self.received(images)
        rebuilt = [vqvae(padded, training=False) for vqvae in self.vqvaes]
        return tuple(self._cropped(images, sides) for images in rebuilt)


class _Fixed(keras.layers.Layer):
    """What a function makes of images, without gradient and with no weights of its own.

    The function's layers are not parts of this one, which would save them again.
    """

    def __init__(self, function, stride, channels, **kwargs):
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self.function = function
        self.stride, self.channels = stride, channels
        self.built = True

    def call(self, images):
        return ops.stop_gradient(self.function(images))

    def compute_output_spec(self, images):
        batch, *sides, _ = images.shape
        sides = [side and side // self.stride for side in sides]
        return keras.KerasTensor((batch, *sides, self.channels), dtype="float32")


def _joined(quantized, strides):
    """Vectors of all tiers, repeated to the finest grid, along the channels."""
    maps = []
    for vectors, stride in zip(quantized, strides):
        for axis in (1, 2):
            vectors = ops.repeat(vectors, stride // strides[-1], axis=axis)
        maps.append(ops.cast(vectors, "float32"))
    return ops.concatenate(maps, axis=-1)


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

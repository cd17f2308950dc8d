"""VQ-VAE-2, a hierarchy of code grids, and its named models."""

import functools

import keras
from keras import ops

from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import convolutional, tiers
from vqzoo.models.coding import takes_items


@keras.saving.register_keras_serializable("vqzoo")
class VQVAE2(tiers.TieredModel):
    """Autoencoder whose bottleneck is a hierarchy of code grids, top first.

    The bottom encoder halves the image to the finest grid and each further encoder
    halves it again. From the top down, each tier quantizes its features together with
    the decoded tiers above it. The decoder gets the codes of all tiers. At inference
    the model is deterministic.

    Args:
        quantizers: sequence of quantizer layers, top first, one for each tier.
        image_shape: `(height, width, channels)`; the sides divide by the top's stride.
            A side of None may be any that divides.
        bottom_stride: int, a power of 2: pixels of a side for each bottom code; each
            tier above has twice the stride.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in each encoder and decoder.
        num_decoder_blocks: int, in each decoder, or None: as many as in the encoders.
        encoder_kernel_size: int, of the strided convolutions.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple with a tensor for each
        tier, top first, `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizers. Compile with `"mse"` for the reconstruction term.
    Raises: ValueError: if there is no quantizer, the sides do not divide by the top's
        stride, or a stride is not a power of 2.
    Source: Razavi et al. 2019, arXiv 1906.00446, section 3.1 and appendix. Differs: the
        tiers are conditioned on all codes above them, which the paper shows for two.
    Example:
        >>> tiers = [VectorQuantizerEMA(512, 64), VectorQuantizerEMA(512, 64)]
        >>> model = VQVAE2(tiers, image_shape=(64, 64, 3))
        >>> [c.shape for c in model.encode(np.zeros((1, 64, 64, 3), "float32"))]
        [TensorShape([1, 8, 8]), TensorShape([1, 16, 16])]
    """

    def __init__(
        self,
        quantizers,
        *,
        image_shape=(256, 256, 3),
        bottom_stride=4,
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        num_decoder_blocks=None,
        encoder_kernel_size=4,
        pad=False,
        dtype=None,
        name=None,
    ):
        tiers.check_halvings(quantizers, image_shape, bottom_stride, pad)
        self._keep(locals())
        self._make_layers()
        self._finish_images()

    def _rebuild(self, images):
        _, quantized = self._quantize(images, lambda layer, latents: layer(latents))
        return self._reconstruct(quantized)

    def _make_layers(self):
        strides = [2] * (len(self.quantizers) - 1) + [self.bottom_stride]
        self.encoders = []
        self.projections = []
        self.tier_decoders = []
        self.tier_upsamplings = []
        for tier, stride, layer in zip(self.tier_names, strides, self.quantizers):
            dim = layer.embedding_dim
            self.encoders.append(convolutional.encoder(self, stride, f"{tier}_encoder"))
            self.projections.append(
                convolutional.projection(self, dim, f"{tier}_projection")
            )
            if tier == "bottom":
                break
            self.tier_decoders.append(
                convolutional.decoder(self, 2, dim, f"{tier}_decoder")
            )
            self.tier_upsamplings.append(
                convolutional.upsampling(
                    dim, self.layer_dtype, name=f"{tier}_upsampling"
                )
            )
        self.decoder = convolutional.decoder(
            self, self.bottom_stride, self.image_shape[2]
        )
        self.to_float32 = convolutional.float32_output()

    def _features(self, images):
        """Encoder outputs of each tier, top first."""
        features = []
        hidden = images
        for encoder in reversed(self.encoders):
            hidden = encoder(hidden)
            features.append(hidden)
        return features[::-1]

    def _quantize(self, images, quantize):
        """Latents of each tier, and the codes of all tiers at the bottom's size."""
        latents = []
        above = None
        for tier, features in enumerate(self._features(images)):
            if above is not None:
                context = self.tier_decoders[tier - 1](above)
                features = ops.concatenate([context, features], axis=-1)
            latents.append(self.projections[tier](features))
            quantized = quantize(self.quantizers[tier], latents[-1])
            above = self._join(tier, above, quantized)
        return tuple(latents), above

    def _join(self, tier, above, quantized):
        """All codes down to `tier`, at its resolution, along the channels."""
        if above is None:
            return quantized
        above = self.tier_upsamplings[tier - 1](above)
        return ops.concatenate([above, quantized], axis=-1)

    def _reconstruct(self, quantized):
        return self.to_float32(self.decoder(quantized))

    @takes_items
    def latents(self, images):
        """Latents before quantization, a tuple of `(batch, h, w, D)`, top first."""
        return self._quantize(images, _nearest)[0]

    @takes_items
    def encode(self, images):
        """Codes of images: a tuple of int32 `(batch, h, w)`, top first."""
        codes = []

        def quantize(layer, latents):
            codes.append(layer.encode(latents))
            return _quantized(layer, latents, codes[-1])

        self._quantize(images, quantize)
        return tuple(codes)

    def decode(self, codes, sides=None):
        """Images of codes, float32.

        Args:
            codes: sequence of int tensors `(batch, h, w)`, top first. A tier may be
                None: then the mean code vector replaces it at every position, which
                shows what the other tiers hold.
            sides: `(height, width)` that padded images are cropped to. Defaults to
                those of `image_shape`.

        Returns:
            Float32 `(batch, height, width, channels)`.

        Raises:
            ValueError: if the number of tiers differs, every tier is None, codes are
                not integers, or the grids of two tiers do not belong together.
        """
        codes = tiers.checked_codes(codes, self.quantizers)
        finest = tiers.finest_given(codes)
        batch, *finest_grid = ops.shape(codes[finest])[:3]
        self._check_grids(codes, finest)
        quantized = []
        for tier, (layer, tier_codes) in enumerate(zip(self.quantizers, codes)):
            if tier_codes is None:
                grid = [side * 2**tier // 2**finest for side in finest_grid]
                quantized.append(self._mean_code(layer, batch, grid))
            else:
                quantized.append(layer.decode(tier_codes))
        return self.from_quantized(quantized, sides)

    def from_quantized(self, quantized, sides=None):
        above = None
        for tier, tier_quantized in enumerate(quantized):
            above = self._join(tier, above, tier_quantized)
        return self._cropped(self._reconstruct(above), sides)

    def _check_grids(self, codes, finest):
        shapes = {
            tier: tuple(grid.shape[1:3])
            for tier, grid in enumerate(codes)
            if grid is not None and None not in grid.shape[1:3]
        }
        doubled = {
            tuple(side * 2 ** (finest - tier) for side in shape)
            for tier, shape in shapes.items()
        }
        if len(doubled) > 1:
            raise ValueError(
                "expected grids of codes whose sides double from tier to tier, "
                f"received {list(shapes.values())}"
            )

    def _mean_code(self, layer, batch, grid):
        """The mean code at each position of a tier's grid."""
        indices = ops.arange(layer.num_embeddings, dtype="int32")
        for _ in range(layer.code_axes):
            indices = indices[:, None]
        one_latent = ops.zeros((1, layer.embedding_dim))
        codes_shape = layer.encode(one_latent).shape[1:]
        every_code = ops.broadcast_to(indices, (layer.num_embeddings, *codes_shape))
        mean = ops.mean(layer.decode(every_code), axis=0)
        return ops.broadcast_to(mean, (batch, *grid, layer.embedding_dim))


def _nearest(layer, latents):
    return _quantized(layer, latents, layer.encode(latents))


def _quantized(layer, latents, codes):
    """What the tiers below see at inference: of a hybrid tier, more than its codes."""
    if layer.is_hybrid:
        return layer(latents, training=False)
    return layer.decode(codes)


_TABLE_6_2 = {"residual_channels": 128, "encoder_kernel_size": 3}


def _named(name, num_tiers, quantizer, defaults, overrides):
    default = functools.partial(VectorQuantizerEMA, 512, 64)
    quantizers = tiers.make_quantizers(quantizer, num_tiers, default)
    return VQVAE2(quantizers, **{"name": name, **defaults, **overrides})


def vqvae2_32(quantizer=None, **overrides):
    """Two tiers for 32 x 32 images: 8 x 8 and 16 x 16 codes.

    The network of `vqvae2_64` with one halving fewer at the bottom; K = 512, D = 64,
    1,055,875 trainable weights with the default quantizers.

    Args:
        quantizer: function from the tier's index, top first, to a quantizer layer.
            Defaults to `VectorQuantizerEMA(512, 64)`.
        **overrides: arguments of `VQVAE2`.

    Returns:
        `VQVAE2`.

    Source: none; the sizes of Razavi et al. 2019 brought down to CIFAR-10.
    """
    defaults = {"image_shape": (32, 32, 3), "bottom_stride": 2}
    return _named("vqvae2_32", 2, quantizer, defaults, overrides)


def vqvae2_64(quantizer=None, **overrides):
    """Two tiers for 64 x 64 images: 8 x 8 and 16 x 16 codes.

    128 hidden channels, 2 residual blocks of 32, K = 512, D = 64; 1,388,867 trainable
    weights with the default quantizers, as in the most used public VQ-VAE-2.

    Args and returns: as in `vqvae2_32`.

    Source: `vqvae2_256_public` at a smaller image size.
    """
    defaults = {"image_shape": (64, 64, 3)}
    return _named("vqvae2_64", 2, quantizer, defaults, overrides)


def vqvae2_128(quantizer=None, **overrides):
    """Two tiers for 128 x 128 images: 16 x 16 and 32 x 32 codes.

    The network of `vqvae2_64`: 1,388,867 trainable weights.

    Args and returns: as in `vqvae2_32`.

    Source: `vqvae2_256_public` at a smaller image size.
    """
    defaults = {"image_shape": (128, 128, 3)}
    return _named("vqvae2_128", 2, quantizer, defaults, overrides)


def vqvae2_256(quantizer=None, **overrides):
    """The VQ-VAE-2 of the thesis: 256 x 256 images, 32 x 32 and 64 x 64 codes.

    128 residual channels, 2 residual blocks of 2 convolutions, encoder kernels 3,
    upsampling kernels 4, K = 512, D = 64, beta 0.25, learning rate 3e-4; 2,256,643
    trainable weights with the default quantizers.

    Args and returns: as in `vqvae2_32`.

    Source: Coppock's thesis, table 6.2. Differs: 21 convolutions up to the codes and 8
        from there, where its counts say 25 and 12, as `vqvae2_256_deep` has.
    """
    defaults = {**_TABLE_6_2, "image_shape": (256, 256, 3)}
    return _named("vqvae2_256", 2, quantizer, defaults, overrides)


def vqvae2_256_deep(quantizer=None, **overrides):
    """`vqvae2_256` with the counts of its table: 25 convolutions and 12.

    The decoders, that of the top tier and that of images, have 4 residual blocks
    instead of 2; 2,913,027 trainable weights with the default quantizers.

    Args and returns: as in `vqvae2_32`.

    Source: Coppock's thesis, table 6.2. Its 2 residual blocks of 2 convolutions, in the
        encoders alone, give its counts: 25 up to the codes (7 and 6 of the encoders, 2
        projections, 10 of the top's decoder) and 12 from there (upsampling, 11 of the
        decoder). Differs: nothing.
    """
    defaults = {**_TABLE_6_2, "image_shape": (256, 256, 3), "num_decoder_blocks": 4}
    return _named("vqvae2_256_deep", 2, quantizer, defaults, overrides)


def vqvae2_256_public(quantizer=None, **overrides):
    """The most used public VQ-VAE-2: 256 x 256 images, 32 x 32 and 64 x 64 codes.

    128 hidden channels, 2 residual blocks of 32, encoder and upsampling kernels 4,
    K = 512, D = 64; exactly 1,388,867 trainable weights with the default quantizers.

    Args and returns: as in `vqvae2_32`.

    Source: the network of rosinality's vq-vae-2-pytorch.
    """
    defaults = {"image_shape": (256, 256, 3)}
    return _named("vqvae2_256_public", 2, quantizer, defaults, overrides)


def vqvae2_three_tier_256(quantizer=None, **overrides):
    """Three tiers for 256 x 256 images: 8 x 8, 16 x 16 and 32 x 32 codes.

    The code maps have 3072, 768 and 192 times fewer values than the image. The blocks
    of `vqvae2_256_public`; 2,705,091 trainable weights with the default quantizers.

    Args and returns: as in `vqvae2_32`.

    Source: Razavi et al. 2019, arXiv 1906.00446, figure 3, the FFHQ hierarchy brought
        down from 1024 to 256 pixels.
    """
    defaults = {"image_shape": (256, 256, 3), "bottom_stride": 8}
    return _named("vqvae2_three_tier_256", 3, quantizer, defaults, overrides)

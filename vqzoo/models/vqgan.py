"""VQGAN, the network of most public image tokenizers, and two small ones."""

import functools

import keras

from vqzoo.arguments import check_positive_ints
from vqzoo.layers import (
    DoublingConv2D,
    GridAttention,
    GroupNorm,
    NormalizedResidualBlock,
    VectorQuantizerEMA,
)
from vqzoo.models import convolutional
from vqzoo.models.one_grid import OneGridModel


@keras.saving.register_keras_serializable("vqzoo")
class VQGAN(OneGridModel):
    """Deep residual autoencoder with attention, whose bottleneck is one grid of codes.

    Each level of the encoder is residual blocks, with attention where it is asked for,
    and all but the last halve the grid; blocks around attention follow. The decoder is
    its mirror image with one block more at each level. What makes it sharp is training
    with perceptual and adversarial losses; the network is deterministic at inference.

    Args:
        quantizer: a quantizer layer, for example `VectorQuantizer(1024, 256)`.
        image_shape: `(height, width, channels)`; the sides divide by the stride,
            2 ** (number of levels - 1). A side of None may be any that divides.
        num_channels: int, which the multipliers multiply.
        channel_multipliers: sequence of ints, one for each level, finest first.
        num_residual_blocks: int, of each level of the encoder.
        attention_levels: sequence of ints, the levels whose blocks have attention
            behind them, 0 the finest.
        middle_attention: bool, whether attention stands in the middle.
        latent_channels: int, between the encoder and the convolution to latents.
        latent_kernel_size: int, side of the kernels to the latents and from them.
        num_groups: int, groups of each normalization.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple of one tensor,
        `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizer. Compile with `"mse"` for the reconstruction term.
    Raises: ValueError: if the sides do not divide by the stride, a level with attention
        is none, or channels do not divide by `num_groups`.
    Source: Esser et al. 2020, arXiv 2012.09841, appendix, table 7. Differs: nothing.
    Example:
        >>> model = vqgan_32()
        >>> model.encode(np.zeros((2, 32, 32, 3), "float32"))[0].shape
        TensorShape([2, 8, 8])
    """

    def __init__(
        self,
        quantizer,
        *,
        image_shape=(256, 256, 3),
        num_channels=128,
        channel_multipliers=(1, 1, 2, 2, 4),
        num_residual_blocks=2,
        attention_levels=(4,),
        middle_attention=True,
        latent_channels=256,
        latent_kernel_size=1,
        num_groups=32,
        pad=False,
        dtype=None,
        name=None,
    ):
        num_levels = len(channel_multipliers)
        check_positive_ints(
            num_channels=num_channels,
            num_residual_blocks=num_residual_blocks,
            latent_channels=latent_channels,
            latent_kernel_size=latent_kernel_size,
            num_levels=num_levels,
        )
        if not set(attention_levels) <= set(range(num_levels)):
            raise ValueError(
                f"expected attention_levels in [0, {num_levels}), the levels of "
                f"channel_multipliers, received {tuple(attention_levels)}"
            )
        convolutional.check_image_shape(image_shape, 2 ** (num_levels - 1), pad)
        self._keep(locals())
        self.encoder = keras.Sequential(self._encoder(), name="encoder")
        self.projection = convolutional.projection(
            self, quantizer.embedding_dim, kernel_size=latent_kernel_size
        )
        self.decoder = keras.Sequential(self._decoder(), name="decoder")
        self.to_float32 = convolutional.float32_output()
        self._finish_images()

    @property
    def stride(self):
        """Pixels of a side for each code."""
        return 2 ** (len(self.channel_multipliers) - 1)

    def _encoder(self):
        layers = [self._conv(self.num_channels, "conv_in")]
        last = len(self.channel_multipliers) - 1
        for level in range(last + 1):
            layers += self._level(f"down_{level}", level, self.num_residual_blocks)
            if level != last:
                name = f"down_{level}_halving"
                layers.append(self._conv(self._channels(level), name, strides=2))
        layers += self._middle()
        return [*layers, *self._end(self.latent_channels)]

    def _decoder(self):
        last = len(self.channel_multipliers) - 1
        size = self.latent_kernel_size
        layers = [
            self._conv(self.latent_channels, "expansion", kernel_size=size),
            self._conv(self._channels(last), "conv_in"),
            *self._middle(),
        ]
        for step, level in enumerate(reversed(range(last + 1))):
            layers += self._level(f"up_{step}", level, self.num_residual_blocks + 1)
            if level:
                layer = DoublingConv2D(
                    self._channels(level),
                    name=f"up_{step}_doubling",
                    dtype=self.layer_dtype,
                )
                layers.append(layer)
        return [*layers, *self._end(self.image_shape[2])]

    def _channels(self, level):
        return self.num_channels * self.channel_multipliers[level]

    def _conv(self, filters, name, kernel_size=3, **options):
        options = {"padding": "same", "dtype": self.layer_dtype, **options}
        return keras.layers.Conv2D(filters, kernel_size, name=name, **options)

    def _level(self, name, level, num_blocks):
        layers = []
        for i in range(num_blocks):
            layers.append(self._block(self._channels(level), f"{name}_block_{i}"))
            if level in self.attention_levels:
                layers.append(self._attention(f"{name}_attention_{i}"))
        return layers

    def _middle(self):
        channels = self._channels(-1)
        attention = [self._attention("middle_attention_0")]
        return [
            self._block(channels, "middle_block_0"),
            *(attention if self.middle_attention else ()),
            self._block(channels, "middle_block_1"),
        ]

    def _end(self, filters):
        options = {"swish": True, "name": "norm_out", "dtype": self.layer_dtype}
        return [
            GroupNorm(self.num_groups, **options),
            self._conv(filters, "conv_out"),
        ]

    def _block(self, channels, name):
        options = {"num_groups": self.num_groups, "dtype": self.layer_dtype}
        return NormalizedResidualBlock(channels, name=name, **options)

    def _attention(self, name):
        options = {"num_groups": self.num_groups, "dtype": self.layer_dtype}
        return GridAttention(name=name, **options)


def named(name, default, quantizer, overrides, **sizes):
    """A named VQGAN.

    Args:
        name: str.
        default: function of `name` to a quantizer layer.
        quantizer: function from the tier's index, 0, to a layer, or None.
        overrides: dict, arguments of `VQGAN` that the user gives.
        **sizes: arguments of `VQGAN` that the name stands for.
    """
    make = quantizer or (lambda tier: default(name="quantizer"))
    return VQGAN(make(0), **{"name": name, **sizes, **overrides})


def vqgan_32(quantizer=None, **overrides):
    """A small VQGAN for 32 x 32 images: 8 x 8 codes, trained on two cores.

    32 to 64 channels in 8 groups, 1 residual block a level, attention at 8 x 8,
    K = 512, D = 64; 1,079,971 trainable weights with the default quantizer.

    Args:
        quantizer: function from the tier's index, 0, to a quantizer layer. Defaults to
            `VectorQuantizerEMA(512, 64)`.
        **overrides: arguments of `VQGAN`.

    Returns:
        `VQGAN`.

    Source: none; the network of `vqgan_f16_1024` brought down to CIFAR-10.
    """
    default = functools.partial(VectorQuantizerEMA, 512, 64)
    return named("vqgan_32", default, quantizer, overrides, **_SMALL)


_SMALL = {
    "image_shape": (32, 32, 3),
    "num_channels": 32,
    "channel_multipliers": (1, 2, 2),
    "num_residual_blocks": 1,
    "attention_levels": (2,),
    "latent_channels": 64,
    "num_groups": 8,
}


def vqgan_64(quantizer=None, **overrides):
    """A small VQGAN for 64 x 64 images: 8 x 8 codes, trained on two cores.

    32 to 128 channels, as `vqgan_32` with one level more; 3,117,283 trainable
    weights with the default quantizer.

    Args and returns: as in `vqgan_32`.

    Source: as in `vqgan_32`.
    """
    default = functools.partial(VectorQuantizerEMA, 512, 64)
    levels = {"channel_multipliers": (1, 1, 2, 4), "attention_levels": (3,)}
    small = {**_SMALL, "image_shape": (64, 64, 3), **levels}
    return named("vqgan_64", default, quantizer, overrides, **small)

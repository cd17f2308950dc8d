"""VQ-VAE with one grid of codes, and its named models."""

import keras

from vqzoo.layers import MultiScaleResidualQuantizer, VectorQuantizerEMA
from vqzoo.models import convolutional
from vqzoo.models.one_grid import OneGridModel


@keras.saving.register_keras_serializable("vqzoo")
class VQVAE(OneGridModel):
    """Autoencoder whose bottleneck is one grid of codes.

    The encoder turns an image into a grid of latents, the quantizer replaces each by a
    code, the decoder reconstructs the image. At inference the model is deterministic.

    Args:
        quantizer: a quantizer layer, for example `VectorQuantizerEMA(512, 64)`.
        image_shape: `(height, width, channels)`; the sides divide by `stride`. A side
            of None may be any that divides.
        stride: int, a power of 2: how many pixels of a side share a code.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in the encoder and in the decoder.
        encoder_kernel_size: int, of the strided convolutions.
        residual_kernel_size: int, within the residual blocks.
        activation: str, a name of `keras.activations`, in place of the paper's ReLU.
        normalization: None, `"batch"` or `"group"`, before each activation.
        attention: bool. Whether self-attention over the grid of codes ends the encoder
            and begins the decoder; it wants an `image_shape` of numbers.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple of one tensor,
        `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizer. Compile with `"mse"` for the reconstruction term.
    Raises: ValueError: if the sides do not divide by `stride`, or it is not a power of
        2.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1. Differs: nothing.
    Example:
        >>> model = VQVAE(VectorQuantizerEMA(512, 64), image_shape=(32, 32, 3))
        >>> model.encode(np.zeros((2, 32, 32, 3), "float32"))[0].shape
        TensorShape([2, 8, 8])
    """

    def __init__(
        self,
        quantizer,
        *,
        image_shape=(32, 32, 3),
        stride=4,
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        encoder_kernel_size=4,
        residual_kernel_size=3,
        activation="relu",
        normalization=None,
        attention=False,
        pad=False,
        dtype=None,
        name=None,
    ):
        convolutional.check_image_shape(image_shape, stride, pad)
        if attention:
            convolutional.check_fixed(image_shape)
        self._keep(locals())
        self.encoder = convolutional.encoder(self, stride)
        self.projection = convolutional.projection(self, quantizer.embedding_dim)
        self.decoder = convolutional.decoder(self, stride, image_shape[2])
        self.to_float32 = convolutional.float32_output()
        self._finish_images()


def vqvae_32(quantizer=None, **overrides):
    """The network of DeepMind's CIFAR-10 example: 32 x 32 images, 8 x 8 codes.

    128 hidden channels, 2 residual blocks of 32, K = 512, D = 64; 662,723 trainable
    weights with the default quantizer.

    Args:
        quantizer: function from the tier's index, 0, to a quantizer layer. Defaults to
            `VectorQuantizerEMA(512, 64)`.
        **overrides: arguments of `VQVAE`.

    Returns:
        `VQVAE`.

    Source: the VQ-VAE example of Sonnet 2, vqvae_example.
    """
    make = quantizer or (lambda tier: VectorQuantizerEMA(512, 64, name="quantizer"))
    return VQVAE(make(0), **{"name": "vqvae_32", **overrides})


def vqvae_64(quantizer=None, **overrides):
    """A VQ-VAE of 64 x 64 frames, the eye of a world model: 8 x 8 codes.

    64 hidden channels, 2 residual blocks of 32, K = 512, D = 64; 360,259 trainable
    weights with the default quantizer.

    Args and returns: as in `vqvae_32`.

    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.1; the frame:
        Ha and Schmidhuber 2018, arXiv 1803.10122. Differs: half of the channels.
    """
    make = quantizer or (lambda tier: VectorQuantizerEMA(512, 64, name="quantizer"))
    defaults = {"name": "vqvae_64", "image_shape": (64, 64, 3), "stride": 8}
    defaults |= {"num_channels": 64}
    return VQVAE(make(0), **{**defaults, **overrides})


def vqvae_128(quantizer=None, **overrides):
    """The VQ-VAE of the slides: 128 x 128 images, 32 x 32 of 8,192 codes.

    The blocks of `vqvae_32`; 662,723 trainable weights with the default quantizer.

    Args and returns: as in `vqvae_32`, with `VectorQuantizerEMA(8192, 64)`.

    Source: Bartyzal's slides on van den Oord et al. 2017, arXiv 1711.00937; the size of
        their figure 2. Differs: they say 8,096, which is not a power of 2.
    """
    make = quantizer or (lambda tier: VectorQuantizerEMA(8192, 64, name="quantizer"))
    defaults = {"name": "vqvae_128", "image_shape": (128, 128, 3)}
    return VQVAE(make(0), **{**defaults, **overrides})


def vqvae_var_32(quantizer=None, **overrides):
    """A tokenizer for next-scale priors: 32 x 32 images, 8 x 8 codes at six scales.

    The blocks of `vqvae_32` around `MultiScaleResidualQuantizer` of K = 512, D = 32
    and grids of 1, 2, 3, 4, 6 and 8: 130 codes per image; 658,723 trainable weights.

    Args and returns: as in `vqvae_32`.

    Source: Tian et al. 2024, arXiv 2404.02905; its grids end in 16, for 256 x 256
        images.
    """

    def make(tier):
        inner = VectorQuantizerEMA(512, 32)
        grids = (1, 2, 3, 4, 6, 8)
        return MultiScaleResidualQuantizer(inner, grids, name="quantizer")

    return VQVAE((quantizer or make)(0), **{"name": "vqvae_var_32", **overrides})

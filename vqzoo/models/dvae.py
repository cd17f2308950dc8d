"""The discrete VAE of DALL-E: residual blocks without normalization, one-hot codes."""

import keras
from keras import layers, ops

from vqzoo.arguments import check_positive_ints
from vqzoo.models import convolutional
from vqzoo.models.one_grid import OneGridModel
from vqzoo.quantizers.one_hot_quantizer import OneHotQuantizer

# A logistic output reaches neither 0 nor 1: values lie this far within.
_MARGIN = 0.1


@keras.saving.register_keras_serializable("vqzoo")
class DiscreteVAE(OneGridModel):
    """Residual autoencoder with max pooling, whose decoder ends in a logistic function.

    Each group of the encoder is residual blocks of a width, the last convolution of it
    gives the logits of the codes; the decoder doubles the grid by repeating codes. Each
    block is weighed by 1 / (number of blocks) ** 2, in the place of a normalization.

    Args:
        quantizer: a quantizer layer, for example `OneHotQuantizer(8192)`.
        image_shape: `(height, width, channels)`; the sides divide by the stride,
            2 ** (number of groups - 1). A side of None may be any that divides.
        num_channels: int, which the multipliers multiply.
        channel_multipliers: sequence of ints, one for each group, finest first.
        num_residual_blocks: int, of each group.
        first_channels: int, of the decoder's first layer, a row for each code.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, in (-0.625, 0.625), not clipped. Codes: a tuple of one
        tensor, `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizer. Compile with `"mse"` for the reconstruction term.
    Raises: ValueError: if the sides do not divide by the stride, a size is not
        positive, or channels do not divide by 4.
    Source: Ramesh et al. 2021, arXiv 2102.12092, appendix A.1 and A.3. Differs: the
        decoder gives no scale of the logit-Laplace distribution.
    Example:
        >>> model = DiscreteVAE(OneHotQuantizer(16), image_shape=(32, 32, 3),
        ...     num_channels=8)
        >>> model.encode(np.zeros((2, 32, 32, 3), "float32"))[0].shape
        TensorShape([2, 4, 4])
    """

    def __init__(
        self,
        quantizer,
        *,
        image_shape=(256, 256, 3),
        num_channels=256,
        channel_multipliers=(1, 2, 4, 8),
        num_residual_blocks=2,
        first_channels=128,
        pad=False,
        dtype=None,
        name=None,
    ):
        num_groups = len(channel_multipliers)
        check_positive_ints(
            num_channels=num_channels,
            num_residual_blocks=num_residual_blocks,
            first_channels=first_channels,
            num_groups=num_groups,
        )
        if num_channels % 4:
            raise ValueError(
                f"expected num_channels to divide by 4, received {num_channels}"
            )
        convolutional.check_image_shape(image_shape, 2 ** (num_groups - 1), pad)
        self._keep(locals())
        self.encoder = self._encoder()
        self.projection = convolutional.projection(self, quantizer.embedding_dim)
        self.decoder = self._decoder()
        self.to_float32 = convolutional.float32_output()
        self._finish_images()

    @property
    def stride(self):
        """Pixels of a side for each code."""
        return 2 ** (len(self.channel_multipliers) - 1)

    def _encoder(self):
        images = keras.Input((None, None, self.image_shape[2]))
        span = 1 - 2 * _MARGIN
        # Before the zeros that pad: the offset does not fold into the convolution.
        scaled = layers.Rescaling(span, offset=0.5, dtype=self.layer_dtype)(images)
        hidden = self._conv(self.num_channels, 7, "encoder_in")(scaled)
        for group, multiplier in enumerate(self.channel_multipliers, start=1):
            if group > 1:
                hidden = layers.MaxPooling2D(2, dtype=self.layer_dtype)(hidden)
            hidden = self._group(hidden, f"encoder_{group}", multiplier, (3, 3, 3, 1))
        return keras.Model(images, ops.relu(hidden), name="encoder")

    def _decoder(self):
        codes = keras.Input((None, None, self.quantizer.embedding_dim))
        hidden = self._conv(self.first_channels, 1, "decoder_in")(codes)
        for group, multiplier in enumerate(reversed(self.channel_multipliers), start=1):
            if group > 1:
                hidden = layers.UpSampling2D(2, dtype=self.layer_dtype)(hidden)
            hidden = self._group(hidden, f"decoder_{group}", multiplier, (1, 3, 3, 3))
        last = self._conv(self.image_shape[2], 1, "decoder_out")(ops.relu(hidden))
        span = 1 - 2 * _MARGIN
        values = (ops.sigmoid(ops.cast(last, "float32")) - _MARGIN) / span - 0.5
        return keras.Model(codes, values, name="decoder")

    def _conv(self, filters, kernel_size, name):
        options = {"padding": "same", "dtype": self.layer_dtype, "name": name}
        return layers.Conv2D(filters, kernel_size, **options)

    def _group(self, hidden, name, multiplier, kernel_sizes):
        channels = self.num_channels * multiplier
        blocks = self.num_residual_blocks
        gain = 1 / (len(self.channel_multipliers) * blocks) ** 2
        for block in range(1, blocks + 1):
            rest, last = hidden, len(kernel_sizes)
            for place, kernel_size in enumerate(kernel_sizes, start=1):
                filters = channels if place == last else channels // 4
                conv = self._conv(filters, kernel_size, f"{name}_{block}_conv_{place}")
                rest = conv(ops.relu(rest))
            if hidden.shape[-1] != channels:
                hidden = self._conv(channels, 1, f"{name}_{block}_shortcut")(hidden)
            hidden = hidden + gain * rest
        return hidden


def dalle_dvae(quantizer=None, **overrides):
    """DALL-E's tokenizer: 256 x 256 images, 32 x 32 of 8,192 codes.

    256 to 2,048 channels, 2 blocks a group; 97,615,235 trainable weights with the
    default quantizer.

    Args:
        quantizer: function from the tier's index, 0, to a quantizer layer. Defaults to
            `OneHotQuantizer(8192)`.
        **overrides: arguments of `DiscreteVAE`.

    Returns:
        `DiscreteVAE`.

    Source: Ramesh et al. 2021, arXiv 2102.12092; the weights are those of the package
        dall-e.
    """
    make = quantizer or (lambda tier: OneHotQuantizer(8192, name="quantizer"))
    return DiscreteVAE(make(0), **{"name": "dalle_dvae", **overrides})

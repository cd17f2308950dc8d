"""Residual cell of the hierarchical VAE's decoder."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_shares
from vqzoo.layers.variational.squeeze_excitation import SqueezeExcitation


@keras.saving.register_keras_serializable("vqzoo")
class GenerativeCell(Configured, keras.layers.Layer):
    """Adds a wide depthwise 5 x 5 convolution of the input to the input.

    The branch is BN, 1 x 1 to `expansion` times the channels, BN, Swish, depthwise
    5 x 5, BN, Swish, 1 x 1 back, BN and squeeze-and-excitation, where BN is batch
    normalization: a large receptive field for few weights.

    Args:
        expansion: int, E in the paper, how many times wider the middle is.
        momentum: float in [0, 1), of the moving statistics. Defaults to 0.95.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    State: moving_mean and moving_variance of the four normalizations.
    Raises: ValueError: if `expansion` is not positive or `momentum` out of its range.
    Source: Vahdat and Kautz 2020, arXiv 2007.03898, figure 3a (thesis, figure 2.11a).
        Differs: no offset in the first normalization, because no nonlinearity stands
        between it and the second, which takes the offset away.
    Example:
        >>> GenerativeCell()(np.ones((1, 8, 8, 64), "float32")).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, *, expansion=6, momentum=0.95, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, expansion=expansion)
        check_shares(momentum=momentum)
        self._keep(locals())

    def build(self, input_shape):
        channels = input_shape[-1]
        wide = channels * self.expansion
        options = {"use_bias": False, "dtype": self.dtype_policy}
        self.norms = [self._norm(i, c) for i, c in enumerate((channels, wide, wide))]
        self.last_norm = self._norm(3, channels)
        self.convolutions = [
            keras.layers.Conv2D(wide, 1, name="expand", **options),
            keras.layers.DepthwiseConv2D(
                5, padding="same", name="depthwise", **options
            ),
            keras.layers.Conv2D(channels, 1, name="project", **options),
        ]
        for convolution, size in zip(self.convolutions, (channels, wide, wide)):
            convolution.build((*input_shape[:-1], size))
        self.excitation = SqueezeExcitation(name="excitation", dtype=self.dtype_policy)
        self.excitation.build(input_shape)

    def _norm(self, index, channels):
        norm = keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=1e-5,
            center=index > 0,
            name=f"norm_{index}",
            dtype=self.dtype_policy,
        )
        norm.build((None, None, None, channels))
        return norm

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs, training=False):
        hidden = inputs
        for i, (norm, convolution) in enumerate(zip(self.norms, self.convolutions)):
            hidden = norm(hidden, training=training)
            hidden = convolution(ops.silu(hidden) if i else hidden)
        return inputs + self.excitation(self.last_norm(hidden, training=training))

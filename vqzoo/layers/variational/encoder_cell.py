"""Residual cell of the hierarchical VAE's encoder."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_shares
from vqzoo.layers.variational.squeeze_excitation import SqueezeExcitation


@keras.saving.register_keras_serializable("vqzoo")
class EncoderCell(Configured, keras.layers.Layer):
    """Adds two normalized 3 x 3 convolutions of the input to the input.

    The branch is BN, Swish, 3 x 3, BN, Swish, 3 x 3 and squeeze-and-excitation, where
    BN is batch normalization.

    Args:
        momentum: float in [0, 1), of the moving statistics. Defaults to 0.95.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    State: moving_mean and moving_variance `(channels,)` of both normalizations.
    Raises: ValueError: if `momentum` is out of its range.
    Source: Vahdat and Kautz 2020, arXiv 2007.03898, figure 3b (thesis, figure 2.11b).
        Differs: nothing.
    Example:
        >>> EncoderCell()(np.ones((1, 8, 8, 64), "float32")).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, *, momentum=0.95, **kwargs):
        super().__init__(**kwargs)
        check_shares(momentum=momentum)
        self._keep(locals())

    def build(self, input_shape):
        self.norms, self.convolutions = [], []
        for i in range(2):
            norm = keras.layers.BatchNormalization(
                momentum=self.momentum,
                epsilon=1e-5,
                name=f"norm_{i}",
                dtype=self.dtype_policy,
            )
            # The normalization that follows the first takes a bias away again.
            convolution = keras.layers.Conv2D(
                input_shape[-1],
                3,
                padding="same",
                use_bias=i == 1,
                name=f"convolution_{i}",
                dtype=self.dtype_policy,
            )
            norm.build(input_shape)
            convolution.build(input_shape)
            self.norms.append(norm)
            self.convolutions.append(convolution)
        self.excitation = SqueezeExcitation(name="excitation", dtype=self.dtype_policy)
        self.excitation.build(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs, training=False):
        hidden = inputs
        for norm, convolution in zip(self.norms, self.convolutions):
            hidden = convolution(ops.silu(norm(hidden, training=training)))
        return inputs + self.excitation(hidden)

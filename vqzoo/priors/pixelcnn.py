"""PixelCNN over code grids, and its named model."""

import keras
from keras import ops

from vqzoo.layers import MaskedConv2D
from vqzoo.priors.convolutional_prior import ResidualPrior
from vqzoo.registry import named


@named("pixelcnn")
@keras.saving.register_keras_serializable("vqzoo")
class PixelCNN(ResidualPrior):
    """Autoregressive prior of masked convolutions, the first of type A, then B.

    Its convolutions leave a blind spot to the upper right that `GatedPixelCNN` does not
    have; it is here because it is the prior that most code over VQ-VAE codes uses.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_blocks: int, residual blocks; half the channels within.
        num_channels: even int, h of the features is `num_channels / 2`.
        num_output_layers: int, linear layers before the logits.
        first_kernel_size: odd int.
        kernel_size: odd int, within the residual blocks.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive or a grid above does not divide this.
    Source: van den Oord et al. 2016, arXiv 1601.06759, figure 5 and table 1. Differs:
        codes are embedded; a condition is added before each block.
    Example:
        >>> prior = PixelCNN((4, 4), 16, num_blocks=1, num_channels=8)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_channels": 8}
    cached_layers = "masked"

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_blocks=2,
        num_channels=128,
        num_output_layers=2,
        first_kernel_size=7,
        kernel_size=3,
        num_condition_blocks=2,
        **kwargs,
    ):
        self._make(locals(), "num_blocks")

    def _make_layers(self):
        self._make_first(self.num_channels, self.first_kernel_size)
        half, indices = self.num_channels // 2, range(self.num_blocks)
        self.narrow = [self._dense(half, f"narrow_{i}") for i in indices]
        self.masked = [
            MaskedConv2D(
                half,
                self.kernel_size,
                "B",
                dtype=self.layer_dtype,
                name=f"masked_{i}",
            )
            for i in indices
        ]
        self.wide = [self._dense(self.num_channels, f"wide_{i}") for i in indices]
        self._make_head(self.num_channels)

    def _through(self, features, condition, step):
        for narrow, masked, wide in zip(self.narrow, self.masked, self.wide):
            if condition is not None:
                features = features + condition
            hidden = step(masked, ops.relu(narrow(ops.relu(features))))
            features = features + wide(ops.relu(hidden))
        return features

    def _step_at(self, layer, state, hidden, column):
        # Of type B: it sees the place itself.
        state = layer.put(state, hidden, column)
        return state, layer.at(state, column)


def pixelcnn_8(num_embeddings=512, **overrides):
    """A small PixelCNN over 8 x 8 codes: 2 blocks of 128 channels, 705,920 weights.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `PixelCNN`.

    Returns:
        `PixelCNN`.

    Source: the sizes of the keras.io example on VQ-VAE codes.
    """
    settings = {"name": "pixelcnn_8", **overrides}
    return PixelCNN((8, 8), num_embeddings, **settings)

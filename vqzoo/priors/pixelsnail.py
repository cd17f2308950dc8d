"""PixelSNAIL over code grids, and its named models."""

import keras
from keras import ops

from vqzoo.layers import PixelSNAILBlock
from vqzoo.priors.convolutional_prior import ConvolutionalPrior
from vqzoo.registry import named


@named("pixelsnail")
@keras.saving.register_keras_serializable("vqzoo")
class PixelSNAIL(ConvolutionalPrior):
    """Autoregressive prior of gated causal convolutions and self-attention.

    Blocks of gated residual blocks, each followed by attention over all positions
    before, or by a linear map where there is none. Sampling keeps what each layer has
    seen, and computes what the rows above give to a row for all of the row at once.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_blocks: int, blocks with an attention each.
        num_residual_blocks: int, gated residual blocks of a block.
        num_channels: int, of the features between the blocks.
        residual_channels: int, of the features within a residual block.
        kernel_size: odd int.
        num_heads: int, of the attention, together half as wide as `num_channels`. 0:
            no attention.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not divide the channels,
        or a grid above does not divide this one.
    Source: Chen et al. 2018, arXiv 1712.09763; sizes: Coppock's thesis, table 6.1.
        Differs: codes are embedded; no weight normalization.
    Example:
        >>> prior = PixelSNAIL((4, 4), 16, num_blocks=1, num_channels=8, num_heads=2)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {
        "num_blocks": 1,
        "num_residual_blocks": 1,
        "num_channels": 16,
        "residual_channels": 8,
    }

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_blocks=4,
        num_residual_blocks=4,
        num_channels=256,
        residual_channels=256,
        kernel_size=5,
        num_heads=8,
        num_condition_blocks=3,
        dropout=0.1,
        seed=None,
        **kwargs,
    ):
        self._make(locals(), "num_blocks")

    def _make_layers(self):
        self._make_first(self.num_channels, self.kernel_size)
        self.blocks = [
            PixelSNAILBlock(
                self.num_residual_blocks,
                self.residual_channels,
                self.kernel_size,
                num_heads=self.num_heads,
                dropout=self.dropout,
                seed=None if self.seed is None else self.seed + 100 * index,
                dtype=self.layer_dtype,
                name=f"block_{index}",
            )
            for index in range(self.num_blocks)
        ]
        self.output_logits = self._logits_layer()

    def _head(self, hidden):
        return self.output_logits(ops.elu(hidden))

    def begin_row(self, state, condition=None):
        """The state before the first position of a row, with the row's condition."""
        # The blocks take it for the whole row, and nothing of it is left to a place.
        return {
            **super().begin_row(state),
            "layers": self._states("begin_row", state, condition),
        }


def pixelsnail_top_32(num_embeddings=512, **overrides):
    """The prior of 32 x 32 top codes: 4 blocks of 256 channels with attention.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `PixelSNAIL`.

    Returns:
        `PixelSNAIL` of 83,861,792 weights.

    Source: Coppock's thesis, table 6.1. The most used public one has 84,873,280, with
    those of weight normalization and one-hot codes.
    """
    settings = {"name": "pixelsnail_top_32", **overrides}
    return PixelSNAIL((32, 32), num_embeddings, **settings)


def pixelsnail_bottom_64(num_embeddings=512, **overrides):
    """The prior of 64 x 64 bottom codes given 32 x 32 top codes, without attention.

    Args:
        num_embeddings: int, K of both tiers.
        **overrides: arguments of `PixelSNAIL`.

    Returns:
        `PixelSNAIL` of 84,362,496 weights.

    Source: Coppock's thesis, table 6.1.
    """
    settings = {
        "name": "pixelsnail_bottom_64",
        "context": (((32, 32), num_embeddings),),
        "num_heads": 0,
        **overrides,
    }
    return PixelSNAIL((64, 64), num_embeddings, **settings)

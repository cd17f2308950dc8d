"""A decoder-only transformer over code grids."""

import keras

from vqzoo.priors.blocks import CodeTokens, CodeTransformer
from vqzoo.registry import named


@named("transformer")
@keras.saving.register_keras_serializable("vqzoo")
class Transformer(CodeTransformer):
    """Autoregressive prior of causal self-attention over the codes in raster order.

    Each position takes the code before it, its coordinates and the condition. Sampling
    keeps keys and values.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of the perceptrons over `num_channels`.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not divide the channels,
        or a grid above does not divide this one.
    Source: Vaswani et al. 2017, arXiv 1706.03762; over codes: Esser et al. 2021, arXiv
        2012.09841. Differs: the condition is added to each position, not put before the
        sequence.
    Example:
        >>> prior = Transformer((4, 4), 16, num_layers=1, num_channels=8, num_heads=2)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    def _make_tokens(self):
        return CodeTokens(self, dtype=self.layer_dtype, name="tokens")

"""A decoder-only transformer over code grids, built as language models are now."""

import keras

from vqzoo.priors.blocks import CodeTokens, CodeTransformer
from vqzoo.registry import named


@named("rotary_transformer")
@keras.saving.register_keras_serializable("vqzoo")
class RotaryTransformer(CodeTransformer):
    """Autoregressive prior of `RotaryTransformerBlock`s over codes in raster order.

    Places are told apart by rotary positions in two dimensions, and conditions act by
    adaptive norms. Sampling keeps keys and values.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels into multiples of 4.
        hidden_ratio: int. The gated perceptrons have two thirds as many hidden channels
            as a plain one of this ratio, and so as many weights.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not fit the channels, or
        a grid above does not divide this one.
    Source: Sun et al. 2024 (LlamaGen), arXiv 2406.06525, section 3.2; Peebles and Xie
        2023, arXiv 2212.09748. Differs: the class acts by adaptive norms and is not a
        token; normalized queries and keys.
    Example:
        >>> prior = RotaryTransformer(
        ...     (4, 4), 16, num_layers=1, num_channels=8, num_heads=2
        ... )
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    block = "rotary"
    smoke_options = {"num_layers": 1, "num_channels": 32}  # 4 for each of 8 heads

    def _make_tokens(self):
        return CodeTokens(
            self, has_positions=False, dtype=self.layer_dtype, name="tokens"
        )

    def _step_at(self, layer, state, hidden, column, condition=None):
        return layer.at(state, hidden, column, condition)

"""A decoder-only transformer over sequences of steps with several codes each."""

import keras
from keras import ops

from vqzoo.priors.blocks import CodeTokens, CodeTransformer
from vqzoo.registry import named


@named("sequence_transformer")
@keras.saving.register_keras_serializable("vqzoo")
class SequenceTransformer(CodeTransformer):
    """Autoregressive prior over sequences: a row for each step, a column for each code.

    A step is a moment of a signal with the codes of its residual stages, or an item of
    a user's history with the levels of its semantic ID. Each column has embeddings of
    its own, because the same number means another thing there. Steps that are not there
    have the code -1: they are shown as such, and have no loss and no probability. Put
    before a history that is shorter than the grid, they make all histories end in the
    last row; `vqzoo.priors.beam_search.recommend` draws what comes there.

    Args:
        grid_shape: `(steps, codes of a step)`.
        num_embeddings: int, K. Number of codes.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of the perceptrons over `num_channels`.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, steps, codes of a step)`, in [-1, K); with a
        condition a dict, see `AutoregressivePrior`.
    Output shape: `(batch, steps, codes of a step, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, the heads do not divide the channels,
        or a grid above does not divide this one.
    Source: Rajput et al. 2023 (TIGER), arXiv 2305.05065, section 3.2; Vaswani et al.
        2017, arXiv 1706.03762. Differs: a decoder alone reads the history, not an
        encoder, and there is no token of the user.
    Example:
        >>> prior = SequenceTransformer(
        ...     (4, 2), 16, num_layers=1, num_channels=8, num_heads=2
        ... )
        >>> prior.sample(3, seed=0).shape
        (3, 4, 2)
    """

    least_shown = -1

    def _make_tokens(self):
        return _ColumnTokens(
            self,
            self.num_embeddings * self.grid_shape[1] + 1,
            dtype=self.layer_dtype,
            name="tokens",
        )

    def training_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=-1
        )


class _ColumnTokens(CodeTokens):
    """Tokens of codes by their column; the last one is of a step that is not there."""

    def __init__(self, owner, num_tokens, **kwargs):
        super().__init__(owner, num_tokens, **kwargs)
        self.num_codes, self.missing = owner.num_embeddings, num_tokens - 1

    def known(self, codes, columns):
        tokens = codes + columns * self.num_codes
        return self.embedding(ops.where(codes < 0, self.missing, tokens))

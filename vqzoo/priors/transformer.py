"""A decoder-only transformer over code grids."""

import keras

from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.priors.blocks import CausalTransformerPrior, PlaceTokens
from vqzoo.registry import named


@named("transformer")
@keras.saving.register_keras_serializable("vqzoo")
class Transformer(CausalTransformerPrior, AutoregressivePrior):
    """Autoregressive prior of causal self-attention over the codes in raster order.

    Each place takes the code before it, its position and the condition. Sampling keeps
    keys and values.

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
    Source: Vaswani et al. 2017, arXiv 1706.03762; over codes: Esser et al. 2021,
        arXiv 2012.09841. Differs: the condition is added to each place, not put before
        the sequence.
    Example:
        >>> prior = Transformer((4, 4), 16, num_layers=1, num_channels=8, num_heads=2)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 1, "num_channels": 16}

    def _make_layers(self):
        self.tokens = _Tokens(self, dtype=self.layer_dtype, name="tokens")
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self._make_blocks(causal=True)

    def _outputs(self, inputs):
        hidden = self._whole(self.tokens(inputs["codes"]), inputs)
        return self.output_logits(hidden)

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        hidden, state = self._hidden_at(state, column)
        return self.output_logits(hidden), state

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        return {**state, "before": self.tokens.embedding(codes)}


class _Tokens(PlaceTokens):
    """Tokens of codes."""

    def call(self, codes):
        return self.shifted(self.embedding(codes))

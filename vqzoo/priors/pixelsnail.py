"""PixelSNAIL over code grids, and its named models."""

import keras
from keras import ops

from vqzoo.layers import MaskedConv2D, PixelSNAILBlock
from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.registry import named


@named("pixelsnail")
@keras.saving.register_keras_serializable("vqzoo")
class PixelSNAIL(AutoregressivePrior):
    """Autoregressive prior of gated causal convolutions and self-attention.

    Blocks of gated residual blocks, each followed by attention over all places before,
    or by a linear map where there is none. Sampling keeps what each layer has seen, and
    computes what the rows above give to a row for all of the row at once.

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
    Input shape: codes, int32 `(batch, height, width)`; for a prior with a condition a
        dict of them as `codes`, with classes `label` `(batch,)`, and the codes of the
        tiers above as `context_0`, ...
    Output shape: `(batch, height, width, K)`, float32 logits. Compile with
        `SparseCategoricalCrossentropy(from_logits=True)`: nats per code.
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
        conditions.adopt(self, grid_shape, num_embeddings, **kwargs)
        conditions.check_at_least_1(num_blocks=num_blocks)
        self.num_blocks = num_blocks
        self.num_residual_blocks = num_residual_blocks
        self.num_channels = num_channels
        self.residual_channels = residual_channels
        self.kernel_size = kernel_size
        self.num_heads = num_heads
        self.num_condition_blocks = num_condition_blocks
        self.dropout = dropout
        self.seed = seed
        self._make_layers()
        self._connect()

    def _make_layers(self):
        dtype = self.layer_dtype
        self.embedding = keras.layers.Embedding(
            self.num_embeddings, self.num_channels, dtype=dtype, name="embedding"
        )
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self.first = MaskedConv2D(
            self.num_channels, self.kernel_size, "A", dtype=dtype, name="first"
        )
        self.blocks = [
            PixelSNAILBlock(
                self.num_residual_blocks,
                self.residual_channels,
                self.kernel_size,
                num_heads=self.num_heads,
                dropout=self.dropout,
                seed=None if self.seed is None else self.seed + 100 * index,
                dtype=dtype,
                name=f"block_{index}",
            )
            for index in range(self.num_blocks)
        ]
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    def _logits(self, inputs):
        condition = conditions.features(self.conditions, inputs)
        hidden = self.first(self.embedding(inputs["codes"]))
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self._head(hidden)

    def _head(self, hidden):
        return self.output_logits(ops.elu(hidden))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        return {
            "first": self.first.start(batch_size, self.grid_shape[1]),
            "blocks": [block.start(batch_size) for block in self.blocks],
        }

    def begin_row(self, state, condition=None):
        """The state before the first place of a row, with the condition of the row."""
        return {
            "first": self.first.begin_row(state["first"]),
            "blocks": [
                block.begin_row(block_state, condition)
                for block, block_state in zip(self.blocks, state["blocks"])
            ],
        }

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        hidden, blocks = self.first.at(state["first"], column), []
        for block, block_state in zip(self.blocks, state["blocks"]):
            block_state, hidden = block.at(block_state, hidden, column)
            blocks.append(block_state)
        return self._head(hidden), {**state, "blocks": blocks}

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        first = self.first.put(state["first"], self.embedding(codes), column)
        return {**state, "first": first}

    def end_row(self, state):
        """The state after the last place of a row."""
        return {
            "first": self.first.end_row(state["first"]),
            "blocks": [
                block.end_row(block_state)
                for block, block_state in zip(self.blocks, state["blocks"])
            ],
        }

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "num_residual_blocks": self.num_residual_blocks,
            "num_channels": self.num_channels,
            "residual_channels": self.residual_channels,
            "kernel_size": self.kernel_size,
            "num_heads": self.num_heads,
            "num_condition_blocks": self.num_condition_blocks,
            "dropout": self.dropout,
            "seed": self.seed,
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

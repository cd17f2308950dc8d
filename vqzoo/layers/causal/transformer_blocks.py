"""The transformer blocks of a model, of the kind that it names."""

import functools

import keras

from vqzoo.arguments import check_one_of
from vqzoo.layers.causal.rotary_transformer_block import RotaryTransformerBlock
from vqzoo.layers.causal.transformer_block import TransformerBlock

BLOCKS = ("plain", "rotary")


def make_blocks(owner, *, causal=True, dropout=0.0, seed=None, **rotary):
    """A list of blocks, and the normalization behind them.

    Gated perceptrons have two thirds as many hidden channels as plain ones, and so as
    many weights.

    Args:
        owner: model with `num_layers`, `num_heads`, `num_channels`, `hidden_ratio`,
            `layer_dtype` and `block`: "plain", of `TransformerBlock`s, or "rotary", of
            `RotaryTransformerBlock`s.
        causal: bool, of plain blocks.
        dropout: float in [0, 1).
        seed: int or None, of the dropout of the first block.
        **rotary: further arguments of rotary blocks.

    Raises:
        ValueError: if there are no such blocks, or a size does not fit them.
    """
    check_one_of(BLOCKS, block=owner.block)
    hidden = owner.hidden_ratio * owner.num_channels
    make = functools.partial(TransformerBlock, owner.num_heads, hidden, causal=causal)
    make_norm = keras.layers.LayerNormalization
    if owner.block == "rotary":
        hidden = max(1, 2 * hidden // 3)
        make = functools.partial(
            RotaryTransformerBlock, owner.num_heads, hidden, **rotary
        )
        make_norm = keras.layers.RMSNormalization
    blocks = [
        make(
            dropout=dropout,
            seed=None if seed is None else seed + index,
            dtype=owner.layer_dtype,
            name=f"block_{index}",
        )
        for index in range(owner.num_layers)
    ]
    return blocks, make_norm(dtype=owner.layer_dtype, name="norm")

"""Keras layers: quantizers, assignments and the blocks around them."""

from vqzoo.layers.noisy_assignment import NoisyAssignment
from vqzoo.layers.residual_block import ResidualBlock, ResidualStack
from vqzoo.layers.vector_quantizer import VectorQuantizer
from vqzoo.layers.vector_quantizer_ema import VectorQuantizerEMA

__all__ = [
    "NoisyAssignment",
    "ResidualBlock",
    "ResidualStack",
    "VectorQuantizer",
    "VectorQuantizerEMA",
]

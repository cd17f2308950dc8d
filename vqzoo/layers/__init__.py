"""Keras layers: the quantizers, and the blocks around them in rooms by trade."""

from vqzoo import quantizers
from vqzoo.layers.autoencoding.gaussian_corruption import GaussianCorruption
from vqzoo.layers.autoencoding.input_normalization import InputNormalization
from vqzoo.layers.autoencoding.k_sparse import KSparse
from vqzoo.layers.autoencoding.masking_corruption import MaskingCorruption
from vqzoo.layers.autoencoding.residual_block import ResidualBlock, ResidualStack
from vqzoo.layers.causal.causal_self_attention import CausalSelfAttention
from vqzoo.layers.causal.diagonal_bilstm import DiagonalBiLSTM
from vqzoo.layers.causal.gated_masked_conv2d import GatedMaskedConv2D
from vqzoo.layers.causal.gated_residual_block import GatedResidualBlock
from vqzoo.layers.causal.masked_conv2d import MaskedConv2D
from vqzoo.layers.causal.pixelsnail_block import PixelSNAILBlock
from vqzoo.layers.causal.rotary_transformer_block import RotaryTransformerBlock
from vqzoo.layers.causal.row_lstm import RowLSTM
from vqzoo.layers.causal.transformer_block import TransformerBlock
from vqzoo.layers.gan.equalized_conv2d import EqualizedConv2D
from vqzoo.layers.gan.gated_linear_block import GatedLinearBlock
from vqzoo.layers.gan.minibatch_std import MinibatchStd
from vqzoo.layers.gan.pixel_normalization import PixelNormalization
from vqzoo.layers.gan.self_attention import SelfAttention
from vqzoo.layers.variational.encoder_cell import EncoderCell
from vqzoo.layers.variational.gaussian_bottleneck import GaussianBottleneck
from vqzoo.layers.variational.generative_cell import GenerativeCell
from vqzoo.layers.variational.latent_hierarchy import LatentHierarchy
from vqzoo.layers.variational.squeeze_excitation import SqueezeExcitation
from vqzoo.layers.vqgan.doubling_conv2d import DoublingConv2D
from vqzoo.layers.vqgan.grid_attention import GridAttention
from vqzoo.layers.vqgan.group_norm import GroupNorm
from vqzoo.layers.vqgan.normalized_residual_block import NormalizedResidualBlock

# The documented way to a quantizer is `from vqzoo.layers import ...`. With the star a
# new one is named in the __init__.py of its own folder alone.
from vqzoo.quantizers import *  # noqa: F403

__all__ = [
    "CausalSelfAttention",
    "DiagonalBiLSTM",
    "DoublingConv2D",
    "EncoderCell",
    "EqualizedConv2D",
    "GatedLinearBlock",
    "GatedMaskedConv2D",
    "GatedResidualBlock",
    "GaussianBottleneck",
    "GaussianCorruption",
    "GenerativeCell",
    "GridAttention",
    "GroupNorm",
    "InputNormalization",
    "KSparse",
    "LatentHierarchy",
    "MaskedConv2D",
    "MaskingCorruption",
    "MinibatchStd",
    "NormalizedResidualBlock",
    "PixelNormalization",
    "PixelSNAILBlock",
    "ResidualBlock",
    "ResidualStack",
    "RotaryTransformerBlock",
    "RowLSTM",
    "SelfAttention",
    "SqueezeExcitation",
    "TransformerBlock",
    *quantizers.__all__,
]

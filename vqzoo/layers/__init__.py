"""Keras layers: quantizers, assignments and the blocks around them."""

from vqzoo.layers.causal_self_attention import CausalSelfAttention
from vqzoo.layers.diagonal_bilstm import DiagonalBiLSTM
from vqzoo.layers.encoder_cell import EncoderCell
from vqzoo.layers.equalized_conv2d import EqualizedConv2D
from vqzoo.layers.finite_scalar_quantizer import FiniteScalarQuantizer
from vqzoo.layers.frequency_latents import FrequencyLatents
from vqzoo.layers.gated_linear_block import GatedLinearBlock
from vqzoo.layers.gated_masked_conv2d import GatedMaskedConv2D
from vqzoo.layers.gated_residual_block import GatedResidualBlock
from vqzoo.layers.gaussian_bottleneck import GaussianBottleneck
from vqzoo.layers.gaussian_corruption import GaussianCorruption
from vqzoo.layers.generative_cell import GenerativeCell
from vqzoo.layers.grouped_quantizer import GroupedQuantizer
from vqzoo.layers.gumbel_vector_quantizer import GumbelVectorQuantizer
from vqzoo.layers.index_backpropagation_quantizer import (
    IndexBackpropagationQuantizer,
)
from vqzoo.layers.k_sparse import KSparse
from vqzoo.layers.latent_hierarchy import LatentHierarchy
from vqzoo.layers.latent_quantizer import LatentQuantizer
from vqzoo.layers.lookup_free_quantizer import LookupFreeQuantizer
from vqzoo.layers.masked_conv2d import MaskedConv2D
from vqzoo.layers.masking_corruption import MaskingCorruption
from vqzoo.layers.minibatch_std import MinibatchStd
from vqzoo.layers.multi_head_quantizer import MultiHeadQuantizer
from vqzoo.layers.noisy_assignment import NoisyAssignment
from vqzoo.layers.pixel_normalization import PixelNormalization
from vqzoo.layers.pixelsnail_block import PixelSNAILBlock
from vqzoo.layers.projected_latents import ProjectedLatents
from vqzoo.layers.quantization import codebooks
from vqzoo.layers.random_projection_quantizer import RandomProjectionQuantizer
from vqzoo.layers.residual_block import ResidualBlock, ResidualStack
from vqzoo.layers.residual_quantizer import ResidualQuantizer
from vqzoo.layers.row_lstm import RowLSTM
from vqzoo.layers.running_normalization import RunningNormalization
from vqzoo.layers.self_attention import SelfAttention
from vqzoo.layers.sim_vq import SimVQ
from vqzoo.layers.soft_vector_quantizer import SoftVectorQuantizer
from vqzoo.layers.squeeze_excitation import SqueezeExcitation
from vqzoo.layers.stochastic_assignment import StochasticAssignment
from vqzoo.layers.transformed_quantizer import (
    TransformedQuantizer,
    batch_normalized,
    low_dimensional,
)
from vqzoo.layers.transformer_block import TransformerBlock
from vqzoo.layers.vector_quantizer import VectorQuantizer
from vqzoo.layers.vector_quantizer_ema import VectorQuantizerEMA

__all__ = [
    "CausalSelfAttention",
    "DiagonalBiLSTM",
    "EncoderCell",
    "EqualizedConv2D",
    "FiniteScalarQuantizer",
    "FrequencyLatents",
    "GatedLinearBlock",
    "GatedMaskedConv2D",
    "GatedResidualBlock",
    "GaussianBottleneck",
    "GaussianCorruption",
    "GenerativeCell",
    "GroupedQuantizer",
    "GumbelVectorQuantizer",
    "IndexBackpropagationQuantizer",
    "KSparse",
    "LatentHierarchy",
    "LatentQuantizer",
    "LookupFreeQuantizer",
    "MaskedConv2D",
    "MaskingCorruption",
    "MinibatchStd",
    "MultiHeadQuantizer",
    "NoisyAssignment",
    "PixelNormalization",
    "PixelSNAILBlock",
    "ProjectedLatents",
    "RandomProjectionQuantizer",
    "ResidualBlock",
    "ResidualQuantizer",
    "ResidualStack",
    "RowLSTM",
    "RunningNormalization",
    "SelfAttention",
    "SimVQ",
    "SoftVectorQuantizer",
    "SqueezeExcitation",
    "StochasticAssignment",
    "TransformedQuantizer",
    "TransformerBlock",
    "VectorQuantizer",
    "VectorQuantizerEMA",
    "batch_normalized",
    "codebooks",
    "low_dimensional",
]

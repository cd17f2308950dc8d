"""Priors over code grids: exact likelihoods and samples."""

from vqzoo.priors.gan.dcgan import DCGAN, DCGANCritic
from vqzoo.priors.gan.progressive_gan import (
    ProgressiveCritic,
    ProgressiveGAN,
    progressive_gan_bottom_64,
    progressive_gan_top_32,
)
from vqzoo.priors.gated_pixelcnn import GatedPixelCNN, gated_pixelcnn_8
from vqzoo.priors.hybrid_transformer import HybridTransformer
from vqzoo.priors.maskgit import MaskGIT
from vqzoo.priors.memories.code_lstm import CodeLSTM
from vqzoo.priors.memories.frame_transformer import FrameTransformer
from vqzoo.priors.memories.mdn_rnn import MDNRNN
from vqzoo.priors.next_scale_transformer import NextScaleTransformer
from vqzoo.priors.pixelcnn import PixelCNN, pixelcnn_8
from vqzoo.priors.pixelrnn import PixelRNN, pixelrnn_diagonal_8, pixelrnn_row_8
from vqzoo.priors.pixelsnail import (
    PixelSNAIL,
    pixelsnail_bottom_64,
    pixelsnail_top_32,
)
from vqzoo.priors.rotary_transformer import RotaryTransformer
from vqzoo.priors.sequence_transformer import SequenceTransformer
from vqzoo.priors.transformer import Transformer

__all__ = [
    "CodeLSTM",
    "DCGAN",
    "DCGANCritic",
    "FrameTransformer",
    "GatedPixelCNN",
    "HybridTransformer",
    "MDNRNN",
    "MaskGIT",
    "NextScaleTransformer",
    "PixelCNN",
    "PixelRNN",
    "PixelSNAIL",
    "ProgressiveCritic",
    "ProgressiveGAN",
    "RotaryTransformer",
    "SequenceTransformer",
    "Transformer",
    "gated_pixelcnn_8",
    "pixelcnn_8",
    "pixelrnn_diagonal_8",
    "pixelrnn_row_8",
    "pixelsnail_bottom_64",
    "pixelsnail_top_32",
    "progressive_gan_bottom_64",
    "progressive_gan_top_32",
]

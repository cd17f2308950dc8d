"""Priors over code grids: exact likelihoods and samples."""

from vqzoo.priors.gated_pixelcnn import GatedPixelCNN, gated_pixelcnn_8
from vqzoo.priors.maskgit import MaskGIT
from vqzoo.priors.pixelcnn import PixelCNN, pixelcnn_8
from vqzoo.priors.pixelrnn import PixelRNN
from vqzoo.priors.pixelsnail import (
    PixelSNAIL,
    pixelsnail_bottom_64,
    pixelsnail_top_32,
)
from vqzoo.priors.transformer import Transformer

__all__ = [
    "GatedPixelCNN",
    "MaskGIT",
    "PixelCNN",
    "PixelRNN",
    "PixelSNAIL",
    "Transformer",
    "gated_pixelcnn_8",
    "pixelcnn_8",
    "pixelsnail_bottom_64",
    "pixelsnail_top_32",
]

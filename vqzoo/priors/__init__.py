"""Priors over code grids: exact likelihoods and samples."""

from vqzoo.priors.gated_pixelcnn import GatedPixelCNN, gated_pixelcnn_8

__all__ = ["GatedPixelCNN", "gated_pixelcnn_8"]

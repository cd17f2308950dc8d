"""Keras metrics of codebooks and reconstructions."""

from vqzoo.metrics.codebook_usage import CodebookUsage
from vqzoo.metrics.psnr import PSNR
from vqzoo.metrics.ssim import SSIM

__all__ = ["PSNR", "SSIM", "CodebookUsage"]

"""How well images come back."""

import numpy as np

from vqzoo.evaluation.inference import in_batches
from vqzoo.metrics.psnr import psnr
from vqzoo.metrics.ssim import WINDOW_SIZE, ssim


def reconstruction_error(images, reconstructions, batch_size=128):
    """Errors of reconstructions, after clipping to the value range.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        reconstructions: same shape.
        batch_size: int, images measured at once.

    Returns:
        dict: `mean_squared_error` (per element, of a range of 1), `psnr` (mean of the
        images' own, dB), `psnr_of_mean_error` (dB) and, for sides of at least 11
        pixels, `ssim` (mean of the images').

    Raises:
        ValueError: if the shapes differ or there are no images.
    """
    if images.shape != reconstructions.shape or not len(images):
        raise ValueError(
            f"expected two equal shapes of at least one image, received "
            f"{images.shape} and {reconstructions.shape}"
        )
    reconstructions = np.clip(reconstructions, -0.5, 0.5)
    error = float(np.mean(np.square(images - reconstructions), dtype=np.float64))

    def mean(measure):
        pairs = (images, reconstructions)
        return float(in_batches(measure, *pairs, batch_size=batch_size).mean())

    measures = {
        "mean_squared_error": error,
        "psnr": mean(psnr),
        "psnr_of_mean_error": float(-10 * np.log10(max(error, 1e-10))),
    }
    if min(images.shape[1:3]) >= WINDOW_SIZE:
        measures["ssim"] = mean(ssim)
    return measures

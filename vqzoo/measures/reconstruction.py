"""How well images come back."""

import numpy as np

from vqzoo.measures.inference import in_batches
from vqzoo.metrics.psnr import psnr
from vqzoo.metrics.ssim import WINDOW_SIZE, ms_ssim, num_scales, ssim


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


def multiscale_similarity(images, reconstructions, batch_size=128):
    """MS-SSIM on as many of its five scales as the images have.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        reconstructions: same shape.
        batch_size: int, images measured at once.

    Returns:
        dict: `ms_ssim`, the mean over the images, and `scales`, the number of them.

    Raises:
        ValueError: if the images have fewer than two scales, where it is SSIM.
    """
    scales = num_scales(images.shape[1:])
    if scales < 2:
        raise ValueError(
            f"expected images of two scales, with sides of at least 21, received "
            f"shape={tuple(images.shape)}"
        )
    found = in_batches(ms_ssim, images, reconstructions, batch_size=batch_size)
    return {"ms_ssim": float(found.mean()), "scales": scales}


def decode_tiers(decode, codes, kept, batch_size=128):
    """Images of some tiers alone; the decoder gets None for the others.

    Args:
        decode: function from a tuple of codes, or None, to images.
        codes: tuple of int arrays `(N, h, w)`, top first.
        kept: sequence of bool, a tier each; at least one is true.
        batch_size: int.

    Returns:
        Float numpy `(N, H, W, C)`.

    Raises:
        ValueError: if no tier is kept, or `kept` has another length.
    """
    if len(kept) != len(codes) or not any(kept):
        raise ValueError(
            f"expected at least one of {len(codes)} tiers to be kept, received {kept=}"
        )

    def decode_some(*some):
        rest = iter(some)
        return decode(tuple(next(rest) if keep else None for keep in kept))

    chosen = [each for each, keep in zip(codes, kept) if keep]
    return in_batches(decode_some, *chosen, batch_size=batch_size)


def tier_subsets(tier_names):
    """The subsets of tiers that say what each holds.

    Args:
        tier_names: sequence of str, top first.

    Returns:
        dict from a name, such as `"top alone"` or `"without top"`, to a tuple of bool:
        all tiers, each alone, and each left out; every subset once.
    """
    count = len(tier_names)
    found = {"all tiers": (True,) * count}
    if count > 1:
        for tier, name in enumerate(tier_names):
            found[f"{name} alone"] = tuple(i == tier for i in range(count))
    if count > 2:
        for tier, name in enumerate(tier_names):
            found[f"without {name}"] = tuple(i != tier for i in range(count))
    return found

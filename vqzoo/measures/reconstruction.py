"""How well images are reconstructed."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches
from vqzoo.metrics.psnr import psnr
from vqzoo.metrics.ssim import WINDOW_SIZE, ms_ssim, num_scales, ssim

ORDER = 1
TITLE = "Reconstruction"
TEXT = (
    "Test images, encoded and decoded. Pixels are between 0 and 1. PSNR is the "
    "mean over the images; the PSNR of the mean error is lower. SSIM and MS-"
    "SSIM are 1 for equal images."
)
GLANCE = {
    "psnr": "PSNR of test images (dB)",
    "mean_squared_error": "mean squared error",
    "ssim": "SSIM",
}
COLUMNS = {
    "mean_squared_error": "mean squared error",
    "psnr": "PSNR (dB)",
    "psnr_of_mean_error": "PSNR of mean error (dB)",
    "ssim": "SSIM",
}
SHOWN = 8
_LPIPS_SIDE = 16


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
    values = in_batches(ms_ssim, images, reconstructions, batch_size=batch_size)
    return {"ms_ssim": float(values.mean()), "scales": scales}


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

    chosen = tuple(grids if keep else None for grids, keep in zip(codes, kept))
    return in_batches(decode, chosen, batch_size=batch_size)


def tier_subsets(tier_names):
    """The subsets of tiers that say what each holds.

    Args:
        tier_names: sequence of str, top first.

    Returns:
        dict from a name, such as `"top alone"` or `"without top"`, to a tuple of bool:
        all tiers, each alone, and each left out; every subset once.
    """
    count = len(tier_names)
    subsets = {"all tiers": (True,) * count}
    if count > 1:
        for tier, name in enumerate(tier_names):
            subsets[f"{name} alone"] = tuple(i == tier for i in range(count))
    if count > 2:
        for tier, name in enumerate(tier_names):
            subsets[f"without {name}"] = tuple(i != tier for i in range(count))
    return subsets


@registry.named("reconstruction")
def measure(subject, section):
    """Errors on test and training images, and with tiers left out."""
    test = reconstruction_error(subject.images, subject.rebuilt)
    section.add(test)
    with section.attempt("MS-SSIM"):
        section.add(multiscale_similarity(subject.images, subject.rebuilt))
    with section.attempt("LPIPS"):
        section.add(_lpips(subject))
    if "ssim" not in test:
        section.skipped["SSIM"] = "its window of 11 pixels is larger than the images"
    some = subject.train_images[: subject.sizes.some]
    train = reconstruction_error(some, subject.reconstruct(some))
    section.add(train, "train_")
    rows = {f"{len(subject.images):,} test": test, f"{len(some):,} training": train}
    section.table(
        "Errors",
        ("images", *(COLUMNS[name] for name in test)),
        [(name, *row.values()) for name, row in rows.items()],
    )
    if "ms_ssim" in section.metrics:
        section.remarks.append(
            f"MS-SSIM of the test images is {section.metrics['ms_ssim']:.4f}, on "
            f"{section.metrics['scales']:.0f} of its five scales, as many as images of "
            "this size have."
        )
    if "lpips" in section.metrics:
        section.remarks.append(
            f"LPIPS of {min(len(subject.images), subject.sizes.some):,} test images is "
            f"{section.metrics['lpips']:.4f}: 0 for equal images."
        )
    images = {"image": subject.images[:SHOWN], "rebuilt": subject.rebuilt[:SHOWN]}
    with section.attempt("tiers left out"):
        images |= _tiers(subject, section)
    is_small = max(subject.model.image_shape[:2]) <= 32
    section.picture(
        "Reconstructions",
        "Test images and their reconstructions. Below: reconstructions from some of "
        "the tiers, with the mean code vector instead of the others.",
        lambda: plots.strips(images, width=4.8 if is_small else 7.2),
    )


def _lpips(subject):
    """Mean LPIPS of test images, where a distance was given: a dict."""
    if "lpips" not in subject.options:
        return {}
    if min(subject.images.shape[1:3]) < _LPIPS_SIDE:
        raise Skipped(f"it halves sides four times: at least {_LPIPS_SIDE} pixels")
    count = subject.sizes.some
    pairs = subject.images[:count], subject.rebuilt[:count]
    distances = in_batches(subject.options["lpips"], *pairs, batch_size=16)
    return {"lpips": float(distances.mean(dtype="float64"))}


def _tiers(subject, section):
    """Errors of parts of the tiers, and a few images of each part."""
    subject.need_whole_codes()
    if len(subject.tiers) == 1:
        raise Skipped("the model has one tier")
    count = subject.sizes.some
    codes, images = subject.some_codes(count), subject.images[:count]
    subsets = tier_subsets([tier.name for tier in subject.tiers])
    rows, shown = [], {}
    for name, kept in subject.progress(subsets.items(), "subsets of tiers"):
        rebuilt = decode_tiers(subject.decode, codes, kept)
        errors = reconstruction_error(images, rebuilt)
        rows.append((name, errors["mean_squared_error"], errors["psnr"]))
        section.add({f"{name.replace(' ', '_')}_psnr": errors["psnr"]})
        if not all(kept):
            shown[name.replace(" ", "\n")] = np.clip(rebuilt[:SHOWN], -0.5, 0.5)
    section.table(
        f"With a part of the tiers, {len(images):,} test images",
        ("tiers", COLUMNS["mean_squared_error"], COLUMNS["psnr"]),
        rows,
    )
    return shown

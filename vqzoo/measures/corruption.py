"""How near to the clean image a model brings a corrupted one."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.layers.autoencoding.corruption import (
    gaussian_corruption,
    masking_corruption,
)
from vqzoo.measures.reconstruction import reconstruction_error

ORDER = 1.5
TITLE = "Corrupted images"
TEXT = (
    "The model reconstructs images of which some pixels are masked, or which have "
    "noise of a standard deviation on every value. PSNR compares with the clean image. "
    "A model that denoises is above the corrupted image itself."
)
MASKED, NOISES = (0.25, 0.5), (0.1, 0.2)
SHOWN = 7


def corrupted(images, seed=0):
    """The images under each corruption, by name.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        seed: int.

    Returns:
        dict of float32 `(N, H, W, C)`: `masked_RATE` with pixels at mid gray, and
        `noise_STDDEV`, clipped to [-0.5, 0.5].

    Source: Vincent et al. 2008, section 2.3. Differs: whole pixels; Gaussian noise too.
    """
    found = {
        f"masked_{rate:g}": np.asarray(masking_corruption(images, rate, seed))
        for rate in MASKED
    }
    for stddev in NOISES:
        noisy = np.asarray(gaussian_corruption(images, stddev, seed))
        found[f"noise_{stddev:g}"] = np.clip(noisy, -0.5, 0.5)
    return found


@registry.named("corruption")
def measure(subject, section):
    """PSNR of what the model makes of corrupted images, and of these themselves."""
    images = np.asarray(subject.images[: subject.sizes.some], "float32")
    rows, strips = [], {"image": images[:SHOWN]}
    for name, inputs in corrupted(images).items():
        rebuilt = subject.reconstruct(inputs)
        own = reconstruction_error(images, inputs)["psnr"]
        found = reconstruction_error(images, rebuilt)["psnr"]
        section.add({f"{name}_psnr": found, f"{name}_input_psnr": own})
        rows.append((name.replace("_", " "), own, found))
        words = name.replace("_", "\n")
        strips |= {words: inputs[:SHOWN], f"{words}\nrebuilt": rebuilt[:SHOWN]}
    header = ("corruption", "PSNR of the input (dB)", "PSNR of the output (dB)")
    section.table("Corrupted images", header, rows, f"Of {len(images):,} test images.")
    section.picture(
        "Corrupted images and their reconstructions",
        "From top to bottom: the image, then each corruption and what the model makes "
        "of it.",
        lambda: plots.strips(strips),
    )

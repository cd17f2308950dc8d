"""The section on how well images come back."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import reconstruction as errors
from vqzoo.report.document import Skipped

TEXT = (
    "Test images, encoded and decoded. Pixels are between 0 and 1. PSNR is the mean "
    "of the images' own decibels; that of the mean error is lower. SSIM and MS-SSIM "
    "are 1 for equal images."
)
COLUMNS = ("mean_squared_error", "psnr", "psnr_of_mean_error", "ssim")
HEADER = ("images", "mean squared error", "PSNR (dB)", "PSNR of mean error (dB)")
SHOWN = 8


def fill(subject, section):
    """Errors on test and training images, and with tiers left out."""
    found = measures.reconstruction_error(subject.images, subject.rebuilt)
    section.add(found)
    with section.attempt("MS-SSIM"):
        section.add(errors.multiscale_similarity(subject.images, subject.rebuilt))
    if "ssim" not in found:
        section.skipped["SSIM"] = "its window of 11 pixels is larger than the images"
    some = subject.train_images[: subject.sizes.some]
    train = measures.reconstruction_error(some, subject.reconstruct(some))
    section.add(train, "train_")
    rows = {f"{len(subject.images):,} test": found, f"{len(some):,} training": train}
    columns = [name for name in COLUMNS if name in found]
    section.table(
        "Errors",
        (*HEADER, *(["SSIM"] if "ssim" in found else [])),
        [(name, *(row[column] for column in columns)) for name, row in rows.items()],
    )
    if "ms_ssim" in section.metrics:
        section.remarks.append(
            f"MS-SSIM of the test images is {section.metrics['ms_ssim']:.4f}, on "
            f"{section.metrics['scales']:.0f} of its five scales, as many as images of "
            "this size have."
        )
    images = {"image": subject.images[:SHOWN], "rebuilt": subject.rebuilt[:SHOWN]}
    with section.attempt("tiers left out"):
        images |= _tiers(subject, section)
    section.picture(
        "Reconstructions",
        "Test images and what comes back of them; below, what the decoder makes of a "
        "part of the tiers, the mean code in the place of the others.",
        plots.strips(images, width=_width(subject)),
    )


def _tiers(subject, section):
    subject.need_whole_codes()
    if len(subject.tiers) == 1:
        raise Skipped("the model has one tier")
    count = subject.sizes.some
    codes, images = subject.some_codes(count), subject.images[:count]
    subsets = errors.tier_subsets([tier.name for tier in subject.tiers])
    rows, shown = [], {}
    for name, kept in subject.progress(subsets.items(), "subsets of tiers"):
        rebuilt = errors.decode_tiers(subject.decode, codes, kept)
        found = measures.reconstruction_error(images, rebuilt)
        rows.append((name, found["mean_squared_error"], found["psnr"]))
        key = name.replace(" ", "_")
        section.add({f"{key}_psnr": found["psnr"]})
        if not all(kept):
            shown[name.replace(" ", "\n")] = np.clip(rebuilt[:SHOWN], -0.5, 0.5)
    section.table(
        f"With a part of the tiers, {len(images):,} test images",
        ("tiers", "mean squared error", "PSNR (dB)"),
        rows,
    )
    return shown


def _width(subject):
    """Inches of a strip of images: small images need no wide ones."""
    return 4.8 if max(subject.model.image_shape[:2]) <= 32 else 7.2

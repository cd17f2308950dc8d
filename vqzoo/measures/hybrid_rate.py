"""The rate of codes with real numbers beside them, which are rounded to steps."""

import numpy as np

from vqzoo import registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import compiled, in_batches
from vqzoo.measures.reconstruction import reconstruction_error

ORDER = 10.5
TITLE = "Rate of hybrid latents"
TEXT = (
    "A real number has a density but no number of bits; a rounded number has "
    "both. Bits of the codes and of the rounded numbers under the priors, and "
    "the PSNR of the images that they decode to. A step is the size of the "
    "rounding in standard deviations of the numbers."
)
STEPS = (2.0, 1.0, 0.5, 0.25, 0.125)


def rounded(values, step, center=0.0):
    """Numbers `(..., V)` rounded to steps, a float or `(V,)`, from a center on."""
    return (np.round((values - center) / step) * step + center).astype("float32")


def rate(nats, counts, steps):
    """Bits of codes and rounded numbers, from the nats of their density.

    Args:
        nats: float, mean of the negative log density of all that an image has.
        counts: sequence of float, how many numbers of an image have each step.
        steps: sequence of float above 0, in the units of the numbers.

    Returns:
        float: the density times the step is the probability of a step that is small
        beside what the density changes over.
    """
    return float((nats - np.dot(counts, np.log(steps))) / np.log(2))


@registry.named("hybrid_rate")
def measure(subject, section):
    """Bits and PSNR for steps of each size."""
    if not subject.model.is_hybrid:
        raise Skipped("the codes have no real numbers beside them")
    subject.need_priors()
    images = subject.images[: subject.sizes.some]
    grids = [tier[: len(images)] for tier in subject.grids]
    figures = (subject.tier_figures[tier.name]["test"] for tier in subject.tiers)
    nats, counts, centers, spreads = 0.0, [], [], []
    for figure, grid, quantizer in zip(figures, grids, subject.model.quantizers):
        nats += figure["nats_per_place"] * np.prod(grid.shape[1:3])
        has_values = np.asarray(quantizer.has_values)[grid[..., 0].astype(int)]
        beside = grid[has_values][:, 1:]
        counts += [len(beside) / len(images)] * quantizer.num_values
        centers.append(beside.mean(axis=0))
        spreads.append(beside.std(axis=0))
    decode = compiled(subject.model.from_grids)
    rows = []
    for step in STEPS:
        taken = []
        for grid, center, spread in zip(grids, centers, spreads):
            values = rounded(grid[..., 1:], step * spread, center)
            taken.append(np.concatenate([grid[..., :1], values], axis=-1))
        rebuilt = np.clip(in_batches(decode, tuple(taken)), -0.5, 0.5)
        bits = rate(nats, counts, step * np.concatenate(spreads))
        numbers = {
            "bits_per_pixel": bits / subject.num_pixels,
            "psnr": reconstruction_error(images, rebuilt)["psnr"],
        }
        section.add(numbers, f"step_{step:g}_")
        rows.append((f"{step:g}", *numbers.values()))
    header = ("step, in deviations", "bits per pixel", "PSNR (dB)")
    note = (
        "For coarse steps the bits are rough, because the density is taken as "
        "constant within a step."
    )
    section.table("Rounded numbers", header, rows, note)

"""Noise on the indices of quantizers whose codes have an order.

    python -m vqzoo.recipes.quantizer_noise

The network and the steps of `quantizer_study`, 1,024 codes, with noise on the indices
of each stage or digit: one codebook, whose codes are kept sorted, as those of residual
stages are; the digits of FSQ, which are ordered without noise; SimVQ, whose codes
cannot be sorted.

About a minute a run on one core; 16 runs a seed. docs/results shows CIFAR-10, with
`--dataset=cifar10`.

Source: Coppock's thesis, section 3.1. Differs: quantizers other than its one codebook.
"""

import dataclasses

from vqzoo import training
from vqzoo.recipes import quantizer_study

LEVELS = (0.0, 0.5, 1.0, 1.5)
SORTED = ("ema", "residual")

RECIPE = dataclasses.replace(
    quantizer_study.RECIPE,
    name="quantizer_noise",
    num_embeddings=1024,
    conditions=tuple(
        f"{name}@{sigma}: quantizer={name} noise_stddev={sigma} "
        f"sorted_codes={sigma > 0 and name in SORTED}"
        for name in ("ema", "residual", "fsq", "sim_vq")
        for sigma in LEVELS
    ),
    axis="sigma (indices)",
)

if __name__ == "__main__":
    training.main(RECIPE)

"""Separate VQ-VAEs for each tier, so that none can be bypassed.

    python -m vqzoo.recipes.separate_vqvaes

The top alone reconstructs better than the top of a joint VQ-VAE-2.

Source: Dhariwal et al. 2020, arXiv 2005.00341; Coppock's thesis, section 2.4.5.
Differs: images instead of audio.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="separate_vqvaes",
    model="separate_vqvaes_64",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

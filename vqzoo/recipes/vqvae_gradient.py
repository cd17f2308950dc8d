"""A VQ-VAE whose codebook is learned by gradient.

    python -m vqzoo.recipes.vqvae_gradient

The codebook loss moves the codes, the commitment loss the latents:
`--commitment_cost` and `--quantizer_options=codebook_cost=4` are their own rates.

Source: van den Oord et al. 2017, arXiv 1711.00937, eq. 3; McAllester's lecture on
parameter-specific learning rates. Differs: nothing.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae_gradient",
    model="vqvae_32",
    quantizer="gradient",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

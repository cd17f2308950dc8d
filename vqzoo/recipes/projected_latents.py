"""Projected latents: the decoder sees each latent along its code's direction.

    python -m vqzoo.recipes.projected_latents

The codes give the direction, the latents the length. `--quantizer_options=codebook=ema`
keeps every code in use.

Source: Vila's report on hybrid latents, section 2.1. Differs: the network is
`vqvae_32`.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="projected_latents",
    model="vqvae_32",
    quantizer="projected_latents",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

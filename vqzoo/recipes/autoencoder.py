"""A plain autoencoder: 128 real numbers for a 32 x 32 image.

    python -m vqzoo.recipes.autoencoder

The baseline of the systems that constrain or perturb the latents.

Source: Coppock's thesis, section 2.2.2. Differs: it names no sizes; these are the
blocks of `vqvae_32`.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="autoencoder",
    model="autoencoder_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

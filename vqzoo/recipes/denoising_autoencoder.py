"""A denoising autoencoder: a quarter of the pixels is masked during training.

    python -m vqzoo.recipes.denoising_autoencoder

It learns to reconstruct the clean image.

Source: Vincent et al. 2008; Coppock's thesis, section 2.2.3. Differs: convolutions.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="denoising_autoencoder",
    model="denoising_autoencoder_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A VQ-VAE with the moving-average codebook.

    python -m vqzoo.recipes.vqvae

The network of DeepMind's CIFAR-10 example; 8 x 8 codes of 512.

Source: van den Oord et al. 2017, arXiv 1711.00937. Differs: a start from data and
restarts of dead codes.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae",
    model="vqvae_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

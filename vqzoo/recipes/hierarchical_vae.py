"""A hierarchical VAE in the style of NVAE; losses in nats per image.

    python -m vqzoo.recipes.hierarchical_vae

Groups of latents from coarse to fine, each conditioned on those before it.

Source: Vahdat and Kautz 2020, arXiv 2007.03898; Coppock's thesis, section 2.3.4.
Differs: a smaller network, no normalizing flows, no spectral regularization.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="hierarchical_vae",
    model="hierarchical_vae_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

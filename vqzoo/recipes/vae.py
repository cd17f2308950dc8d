"""A variational autoencoder; losses in nats per image.

    python -m vqzoo.recipes.vae

Leaves samples.png beside the reconstructions.

Source: Kingma and Welling 2013, arXiv 1312.6114; Coppock's thesis, section 2.3.
Differs: convolutions.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vae",
    model="vae_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A k-sparse autoencoder: 25 of 1000 units are active.

    python -m vqzoo.recipes.sparse_autoencoder

Only the 25 largest activations of an image reach the decoder.

Source: Makhzani and Frey 2013, arXiv 1312.5663; Coppock's thesis, section 2.2.4.
Differs: convolutions around the sparse layer.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="sparse_autoencoder",
    model="sparse_autoencoder_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

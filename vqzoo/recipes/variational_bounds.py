"""Nats of the variational autoencoders: the bound of the likelihood and its parts.

    python -m vqzoo.recipes.variational_bounds

Meant for binarized Fashion-MNIST: `--dataset=binary_folder --data_dir=fashion-mnist`,
pixels 1 where the 8-bit value is at least 128, 28 x 28 images on a frame of zeros, 32 x
32, which costs a trained model next to nothing. Trains `bernoulli_vae_32` and
`hierarchical_vae_32` with a Bernoulli likelihood. The bound is a mean over the test
images and four draws of their latents.

Three quarters of a minute an epoch on one core, and 21 of the hierarchical one in
float32: docs/results shows 5 epochs of the one and 1 of the other.

Source: Kingma and Welling 2013, arXiv 1312.6114; Vahdat and Kautz 2020, arXiv
2007.03898. Differs: small networks, Fashion-MNIST, few epochs.
"""

from vqzoo import studies, training

RECIPE = studies.SweepRecipe(
    name="variational_bounds",
    model="bernoulli_vae_32",
    image_size=32,
    batch_size=64,
    learning_rate=1e-3,
    conditions=(
        "VAE: epochs=5",
        "hierarchical: epochs=1 model=hierarchical_vae_32 "
        "model_options=('likelihood=bernoulli','scale=1.0')",
    ),
    measurements=("likelihood",),
    shown=("likelihood.elbo", "likelihood.log_likelihood", "likelihood.kl"),
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A VQ-VAE-2 with the noisy codebook assignment, on embedded photographs."""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae2_noisy",
    model="vqvae2_64",
    dataset="photos",
    noise_stddev=(1.0,),
    epochs=5,
    batch_size=32,
)

if __name__ == "__main__":
    training.main(RECIPE)

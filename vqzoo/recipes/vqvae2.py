"""A VQ-VAE-2, without noise.

    python -m vqzoo.recipes.vqvae2

The network and the schedule of `vqvae2_noisy` with the nearest codes alone: the healthy
codebook to compare the noisy one with. All codes are in use, since the codebook starts
from data and dead codes are restarted; their order means nothing.

Any other data: `--dataset=cifar10 --model=vqvae2_32`, or `--dataset=folder
--data_dir=PATH`; `--model=vqvae2_256` is the network of the thesis.

Source: Razavi et al. 2019, arXiv 1906.00446; Coppock's thesis, table 6.2. Differs: a
smaller network and image; a start from data; restarts of dead codes; a cosine schedule.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae2",
    model="vqvae2_64",
    dataset="photos",
    epochs=8,
    learning_rate_schedule="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A three-tier VQ-VAE-2 for compression.

    python -m vqzoo.recipes.vqvae2_three_tier

Code maps with about 3072, 768 and 192 times fewer values than the image. The finest
tier does nearly all of the work: in joint training the upper ones are bypassed.

Source: Razavi et al. 2019, arXiv 1906.00446, figure 3. Differs: 64 x 64 crops here, so
that it trains on two cores; `--image_size=256` is the network as it is named.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae2_three_tier",
    model="vqvae2_three_tier_256",
    image_size=64,
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A hierarchical quantized autoencoder: tiers trained one on top of the other.

    python -m vqzoo.recipes.hqa

Fails on the embedded photographs: the top tier uses 4 % of its codes and the middle one
27 %, so that the bottom tier does the work. Why is not known; `separate_vqvaes` has
tiers that each stand alone.

Each tier encodes the latents of the tier below, with Gumbel-softmax codes that are
annealed to hard ones; each alone rebuilds the image.

Source: Williams et al. 2020, arXiv 2002.08111; Coppock's thesis, section 2.4.8.
Differs: see `HQA`.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="hqa",
    model="hqa_32",
    quantizer="gumbel",
    num_embeddings=256,
    annealing_share=0.9,
    model_options=("tier_steps=1000",),
    epochs=24,
)

if __name__ == "__main__":
    training.main(RECIPE)

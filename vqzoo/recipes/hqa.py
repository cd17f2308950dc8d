"""A hierarchical quantized autoencoder: tiers trained one on top of the other.

    python -m vqzoo.recipes.hqa

Each tier encodes the latents of the tier below; each alone reconstructs the image. The
tiers learn one after the other, from the bottom up.

The codes are those of a moving average, not the paper's annealed Gumbel-softmax codes,
which fail here: in a search (`search.json` of its card, one seed, 8 epochs) they end at
17.9 to 23.1 dB and top perplexities of 17 to 66, those of the moving average at 24.7 dB
and 179 of 256. `--quantizer=gumbel --annealing_share=0.9` gives the paper's.

Source: Williams et al. 2020, arXiv 2002.08111; Coppock's thesis, section 2.4.8.
Differs: the quantizer; see `HQA`.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="hqa",
    model="hqa_32",
    num_embeddings=256,
    model_options=("tier_steps=1000",),
    learning_rate=1e-3,
    epochs=24,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""A hierarchical quantized autoencoder: tiers trained one on top of the other.

    python -m vqzoo.recipes.hqa

It fails on the embedded photographs, for two reasons that history.csv of its card
shows. The model that was kept is that of the fifth epoch, when only the bottom tier had
been trained: its loss was least while the others were at rest (now an epoch counts once
the top tier learns). And as the temperature falls below 0.2 a tier loses what it has
learned: the bottom one has 24.6 dB with 34 codes at 0.19, and 20.9 dB with 22 at the
end. `--quantizer_options=final_temperature=0.2` stops there; `separate_vqvaes` has
tiers that each stand alone.

Each tier encodes the latents of the tier below, with Gumbel-softmax codes that are
annealed to hard ones; each alone reconstructs the image.

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

"""The tokenizer of next-scale prediction: codes of an image at six scales.

    python -m vqzoo.recipes.var_tokenizer

A VQ-VAE whose bottleneck is quantized on grids of 1 x 1 to 8 x 8 with one codebook,
each for the error of the coarser ones: 130 codes per image. `next_scale_prior` then
learns to draw a whole scale at a time.

Source: Tian et al. 2024 (VAR), arXiv 2404.02905. Differs: small images and network; a
moving average updates the codebook; the loss is the mean squared error, `--loss` adds
LPIPS and a discriminator.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="var_tokenizer",
    model="vqvae_var_32",
    quantizer="multi_scale",
    quantizer_options=("grids=(1,2,3,4,6,8)",),
    embedding_dim=32,
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

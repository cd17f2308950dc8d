"""A VQ-VAE whose latents pass batch normalization before the codebook.

    python -m vqzoo.recipes.vqvae_batch_normalized

Latents longer than fresh codes are spread over the codebook; compare with
`vqvae_gradient`, which has none, and `vqvae`, which restarts dead codes.

Source: Lancucki et al. 2020, arXiv 2005.08520; Coppock's thesis, section 2.4.6.
Differs: no re-estimation by k-means.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae_batch_normalized",
    model="vqvae_32",
    quantizer="batch_normalized",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)

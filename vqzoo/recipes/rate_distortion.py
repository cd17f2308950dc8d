"""Bits per pixel against distortion of one, two and three tiers of codes.

    python -m vqzoo.recipes.rate_distortion

Trains VQ-VAEs with one, two and three tiers and several sizes of the codebook, fits a
prior to the codes of each, and counts bits by the prior's exact likelihood. Writes a
table, and a curve of PSNR over bits per pixel beside JPEG and WebP, all on the same
images, at most 1,000 of the test split. `--resume` continues, also with more `--seeds`.

About 14 minutes a run of one or two tiers on one core of an AMD EPYC, 8 of three, whose
grids are 2 x 2, 4 x 4 and 8 x 8 codes. 7 runs a seed.

Source: the lecture on VQ-VAE; Razavi et al. 2019, arXiv 1906.00446. Differs: 64 x 64
crops and gated PixelCNN priors, so that it trains on two cores.
"""

from vqzoo import studies, training

SIZES = (64, 512)

RECIPE = studies.SweepRecipe(
    name="rate_distortion",
    model="vqvae_32",
    image_size=64,
    epochs=4,
    learning_rate_schedule="cosine",
    conditions=(
        *(f"one tier@{k}: num_embeddings={k}" for k in SIZES),
        *(f"two tiers@{k}: model=vqvae2_64 num_embeddings={k}" for k in SIZES),
        *(
            f"three tiers@{k}: model=vqvae2_three_tier_256 num_embeddings={k}"
            for k in SIZES
        ),
        "noisy two tiers@512: model=vqvae2_64 noise_stddev=(1.0,0.2) sorted_codes=True",
    ),
    measurements=("reconstruction", "codebook", "rate_distortion", "likelihood"),
    shown=(
        "rate_distortion.psnr",
        "likelihood.test_bits_per_pixel",
        "likelihood.train_bits_per_pixel",
    ),
    axis="likelihood.test_bits_per_pixel",
    prior_settings=(
        "prior=gated_pixelcnn",
        "epochs=4",
        "learning_rate=1e-3",
        "learning_rate_schedule=cosine",
        "class_conditional=False",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)

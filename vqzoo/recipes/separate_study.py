"""Separate tiers, alone and combined, against joint tiers: errors and bits.

    python -m vqzoo.recipes.separate_study

Trains two tiers of codes, 8 x 8 and 16 x 16, with the same blocks and steps: joint as
VQ-VAE-2, separate, where the finest tier alone makes the image, and separate with a
decoder of the codes of both. Fits a prior to each tier, the bottom one conditioned on
the top, and counts the bits of all codes by its exact likelihood, which is what `vqzoo
compress` writes. A verdict says whether combined tiers compress better than joint ones.

About 15 minutes a model and its priors on one core; 3 a seed.

Source: Coppock's thesis, section 2.4.5 and chapter 5, point 1; Dhariwal et al. 2020,
arXiv 2005.00341. Differs: images; joint tiers beside them.
"""

from vqzoo import studies, training

PSNR, BITS = "reconstruction.psnr", "likelihood.test_bits_per_pixel"
RECIPE = studies.SweepRecipe(
    name="separate_study",
    model="separate_vqvaes_64",
    epochs=4,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    conditions=(
        "joint: model=vqvae2_64",
        "separate: model_options=()",
        "combined: model_options=('combined=True',)",
    ),
    measurements=("reconstruction", "codebook", "rate_distortion", "likelihood"),
    shown=(PSNR, BITS, "codebook.top_perplexity", "codebook.bottom_perplexity"),
    prior_settings=(
        "prior=gated_pixelcnn",
        "prior_options=('num_layers=6','output_channels=256')",
        "epochs=4",
        "learning_rate=1e-3",
        "learning_rate_schedule=cosine",
        "class_conditional=False",
    ),
    claims=(
        f"combined tiers are nearer to the image than joint ones: "
        f"[combined]{PSNR} > [joint]{PSNR}",
        f"combined tiers need fewer bits than joint ones: "
        f"[joint]{BITS} > [combined]{BITS}",
        f"both tiers together are nearer than the finest alone: "
        f"[combined]{PSNR} > [separate]{PSNR}",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)

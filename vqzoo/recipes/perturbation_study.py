"""Finite scalar perturbation beside the noisy assignment: two ways to train with noise.

    python -m vqzoo.recipes.perturbation_study

The noisy assignment moves the index after quantization; finite scalar perturbation
moves the latent by up to half a cell and does not quantize while it trains. Each with
its plain relative: a healthy codebook, and FSQ, also with noise on its digits. One
network, 8 x 8 codes of 512, the same weights, batches and steps. The table asks for
the image, the order of the indices, what a probe reads from them, and what is left of
the image when a quarter of them moves by 1.

About three minutes a run on one core with bfloat16; 5 runs a seed. docs/results shows
CIFAR-10, with `--dataset=cifar10`.

Source: VP-VAE 2026, arXiv 2602.17133; Coppock's thesis, section 3.1. Differs: one
network and budget for both.
"""

from vqzoo import studies, training

RECIPE = studies.SweepRecipe(
    name="perturbation_study",
    model="vqvae_32",
    image_size=32,
    batch_size=64,
    epochs=3,
    learning_rate_schedule="cosine",
    conditions=(
        "healthy plain: noise_stddev=0.0",
        "noisy: noise_stddev=1.0 sorted_codes=True",
        "fsq: quantizer=fsq",
        "fsq noisy: quantizer=fsq noise_stddev=1.0",
        "fsp: quantizer=fsp",
    ),
    measurements=("reconstruction", "codebook", "probe", "brittleness"),
    shown=(
        "reconstruction.mean_squared_error",
        "reconstruction.psnr",
        "codebook.bottom_usage",
        "codebook.bottom_perplexity",
        "codebook.bottom_ordering",
        "probe.bottom_indices_accuracy",
        "probe.bottom_sorted_indices_accuracy",
        "brittleness.bottom_0.25_1_psnr",
        "brittleness.bottom_sorted_0.25_1_psnr",
    ),
    baseline="healthy plain",
)

if __name__ == "__main__":
    training.main(RECIPE)

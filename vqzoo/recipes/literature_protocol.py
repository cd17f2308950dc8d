"""Quantizers under the protocol of the SQ-VAE and VQ-WAE papers.

    python -m vqzoo.recipes.literature_protocol

Meant for Fashion-MNIST: `--dataset=folder --data_dir=fashion-mnist`, 28 x 28 gray
images on a black frame of 32 x 32. The network is `vqvae_32`: 8 x 8 codes, K = 512, D =
64, beta 0.25, batches of 32, Adam at 1e-3. The papers train 100 epochs; `--epochs` says
how many are run here. Perplexity is of the whole test split.

About 3 minutes an epoch and row on two cores in float32; 9 rows a seed.

Source: Takida et al. 2022, arXiv 2205.07547, and Vuong et al. 2023, arXiv 2302.05917.
Differs: the network; few of the 100 epochs.
"""

from vqzoo import studies, training

RECIPE = studies.SweepRecipe(
    name="literature_protocol",
    model="vqvae_32",
    image_size=32,
    epochs=5,
    learning_rate=1e-3,
    conditions=(
        "gradient: quantizer=gradient",
        "EMA random start no restarts: codebook_init=random_normal "
        "restart_threshold=0.0",
        "EMA: quantizer=ema",
        "EMA restarts below 0.8: restart_threshold=0.8",
        "EMA cosine: quantizer=cosine",
        "EMA 8 dimensions: quantizer=low_dimensional",
        "EMA 8 dimensions cosine: quantizer=low_dimensional "
        "quantizer_options=('normalize=True',)",
        "SimVQ: quantizer=sim_vq",
        "FSQ (8 8 8): quantizer=fsq",
    ),
    seeds=(0,),
    measurements=("reconstruction", "codebook"),
    shown=(
        "reconstruction.psnr",
        "reconstruction.psnr_of_mean_error",
        "reconstruction.ssim",
        "codebook.bottom_perplexity",
        "codebook.bottom_usage",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)

"""Disentanglement of continuous and of discrete latents, by all measures at once.

    python -m vqzoo.recipes.disentanglement_study

Trains beta-VAEs of 10 latents and autoencoders with codes on sprites whose factors are
known, and scores them with every measure of the study. Writes a table, a curve of each
measure over beta with the other models as levels, and how far the measures rank all
models alike, and as classifiers do that tell factors from 10 to 10,000 labels. Grids of
codes are read as `--representation` says.

About 5 minutes a run on two cores before the floors of the measures, which take most of
them three times more; 9 runs a seed. `--quick` takes a tenth of the samples of each
measure; `--resume` continues, also with more `--seeds`.

Source: Locatello et al. 2019, arXiv 1811.12359, section 5 and figures 5 and 6 of the
lecture. Differs: sprites drawn by us at 32 x 32; fewer steps; models with codes beside
those with real numbers.
"""

from vqzoo import studies, training

BETAS = (1.0, 2.0, 4.0, 8.0, 16.0)

RECIPE = studies.SweepRecipe(
    name="disentanglement_study",
    model="vqvae_32",
    dataset="sprites",
    image_size=32,
    batch_size=64,
    epochs=2,
    learning_rate=5e-4,
    conditions=(
        *(
            f"beta-VAE@{beta}: model=bernoulli_vae_32 "
            f"model_options=('latent_dim=10','beta={beta}')"
            for beta in BETAS
        ),
        "autoencoder: model=autoencoder_32 model_options=('latent_dim=10',)",
        "VQ-VAE: num_embeddings=64",
        "noisy VQ-VAE: num_embeddings=64 noise_stddev=1.0 sorted_codes=True",
        "latent quantization: quantizer=latent",
    ),
    measurements=("reconstruction", "disentanglement"),
    shown=(
        "reconstruction.mean_squared_error",
        "disentanglement.beta_vae",
        "disentanglement.factor_vae",
        "disentanglement.mutual_information_gap",
        "disentanglement.dci_disentanglement",
        "disentanglement.modularity",
        "disentanglement.explicitness",
        "disentanglement.separated_attribute_predictability",
        "disentanglement.logistic_regression_100",
        "disentanglement.boosted_trees_100",
    ),
    axis="beta",
    num_images=5000,
)

if __name__ == "__main__":
    training.main(RECIPE)

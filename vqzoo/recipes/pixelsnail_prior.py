"""PixelSNAIL priors over the codes of a trained model.

    python -m vqzoo.recipes.pixelsnail_prior

Extracts the codes of the data set, fits a prior to each tier, the bottom one
conditioned on the top codes and both on the class, and reports bits per code on the
test split. `vqzoo sample --prior=RUN` then draws images.

`--model` is the model whose codes are learned, the artifact of the recipe
`vqvae2_noisy` by default; `--dataset` should be what it was trained on, such as
`--dataset=folder --data_dir=cifar10.tar.xz`. The top prior has attention, the bottom
one has none. The networks of the thesis are those of `pixelsnail_256_prior`.

Source: Chen et al. 2018, arXiv 1712.09763; Coppock's thesis, table 6.1. Differs: fewer
and smaller blocks, so that it trains on two cores.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="pixelsnail_prior",
    prior="pixelsnail",
    prior_options=(
        "num_blocks=2",
        "num_residual_blocks=2",
        "num_channels=96",
        "residual_channels=96",
        "kernel_size=3",
        "bottom.num_heads=0",
    ),
    epochs=10,
    batch_size=64,
    learning_rate_schedule="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)

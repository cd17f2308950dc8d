"""The PixelSNAIL priors of the thesis, over the codes of images of 256 x 256.

    python -m vqzoo.recipes.pixelsnail_256_prior

`--model` has codes of 32 x 32 and 64 x 64, as in `vqvae2_256`. Table 6.1 whole: both
tiers with 4 blocks of 4 residual blocks, 256 channels, kernels of 5 and dropout 0.1;
the top one with attention in each block, the bottom one with 3 residual blocks over the
top codes and no attention. Meant for GPUs.

An update takes 64 grids, accumulated over 8 steps; docs/results/scale.md has its cost.

Source: Coppock's thesis, table 6.1; Chen et al. 2018, arXiv 1712.09763. Differs: the
text has no batch size.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="pixelsnail_256_prior",
    prior="pixelsnail",
    prior_options=(
        "num_blocks=4",
        "num_residual_blocks=4",
        "num_channels=256",
        "residual_channels=256",
        "kernel_size=5",
        "dropout=0.1",
        "num_condition_blocks=3",
        "bottom.num_heads=0",
    ),
    epochs=50,
    # 64 grids an update, of which no tier's fit on a GPU of 24 GiB at once.
    batch_size=8,
    accumulation_steps=8,
    learning_rate=3e-4,
)

if __name__ == "__main__":
    training.main(RECIPE)

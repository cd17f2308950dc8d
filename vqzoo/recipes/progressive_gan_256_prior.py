"""The progressive GANs of the thesis, over the codes of images of 256 x 256.

    python -m vqzoo.recipes.progressive_gan_256_prior

`--model` has codes of 32 x 32 and 64 x 64, as in `vqvae2_256`. Table 6.3 whole:
channels, steps and batches of every scale of both tiers. Meant for GPUs.

Source: Coppock's thesis, section 3.2 and table 6.3; Karras et al. 2018, arXiv
1710.10196. Differs: the table has five batch sizes for the four scales of the top tier;
the first four are taken.
"""

from vqzoo import training

RECIPE = training.GANRecipe(
    name="progressive_gan_256_prior",
    prior_options=(
        "top.channels=(512,256,64,32)",
        "bottom.channels=(512,256,64,32,16)",
        "noise_dim=512",
        "num_residual_layers=4",
        "num_condition_layers=4",
        "attention_size=32",
    ),
    tier_scale_steps=(
        "top=(48000,96000,96000,200000)",
        "bottom=(48000,48000,96000,96000,200000)",
    ),
    tier_scale_batch_sizes=(
        "top=(256,256,128,20)",
        "bottom=(256,256,128,15,15)",
    ),
    learning_rate=1e-4,
    critic_learning_rate=4e-4,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""Progressive GANs over the codes of a trained model.

    python -m vqzoo.recipes.progressive_gan_prior

Extracts the codes of the data set and fits a generator of latent maps to each tier, the
bottom one conditioned on the top codes at every scale and both on the class; latents
become the nearest codes. `vqzoo sample --prior=RUN` then draws images.

The networks and steps of the thesis are those of `progressive_gan_256_prior`.

Source: Karras et al. 2018, arXiv 1710.10196; Coppock's thesis, section 3.2 and table
6.3. Differs: fewer channels and steps, so that it trains on two cores.
"""

from vqzoo import training

RECIPE = training.GANRecipe(
    name="progressive_gan_prior",
    prior_options=(
        "top.channels=(128,64)",
        "bottom.channels=(128,64,32)",
        "noise_dim=128",
        "num_residual_layers=2",
        "num_condition_layers=2",
        "attention_size=8",
    ),
    scale_steps=(2000, 4000, 6000),
    scale_batch_sizes=(64,),
    learning_rate=1e-4,
)

if __name__ == "__main__":
    training.main(RECIPE)

"""DCGANs over the codes of a trained model: the attempt that fails.

    python -m vqzoo.recipes.dcgan_prior

The thesis tried this first: the critic tells every generated map of latents from a real
one, and the generator learns nothing. The recipe is here so that this can be seen again
and measured: the figures are those of `progressive_gan_prior`.

Source: Radford et al. 2016, arXiv 1511.06434; Coppock's thesis, section 3.2.
"""

from vqzoo import training

RECIPE = training.GANRecipe(
    name="dcgan_prior",
    gan="dcgan",
    gan_loss="non_saturating",
    prior_options=("top.channels=(256,128)", "bottom.channels=(256,128,64)"),
    scale_steps=(6000,),
    learning_rate=2e-4,
    critic_learning_rate=2e-4,
)

if __name__ == "__main__":
    training.main(RECIPE)

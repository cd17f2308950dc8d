"""Training runs: a recipe of each kind, which runs itself, and its command line."""

from vqzoo.training.blend_recipe import BlendRecipe
from vqzoo.training.gan_recipe import GANRecipe
from vqzoo.training.kinds.autoencoder import Recipe
from vqzoo.training.main import main
from vqzoo.training.prior_recipe import PriorRecipe

__all__ = ["BlendRecipe", "GANRecipe", "PriorRecipe", "Recipe", "main"]

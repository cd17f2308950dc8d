"""Training runs: what a run is (`Recipe`), how it goes (`run`) and its command line."""

from vqzoo.training.blend_loop import run as run_blend
from vqzoo.training.blend_recipe import BlendRecipe
from vqzoo.training.gan_loop import run as run_gan
from vqzoo.training.gan_recipe import GANRecipe
from vqzoo.training.loop import run
from vqzoo.training.main import main
from vqzoo.training.prior_loop import run as run_prior
from vqzoo.training.prior_recipe import PriorRecipe
from vqzoo.training.recipe import Recipe

__all__ = [
    "BlendRecipe",
    "GANRecipe",
    "PriorRecipe",
    "Recipe",
    "main",
    "run",
    "run_blend",
    "run_gan",
    "run_prior",
]

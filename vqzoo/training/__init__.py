"""Training runs: what a run is (`Recipe`), how it goes (`run`) and its command line."""

from vqzoo.training.loop import run
from vqzoo.training.main import main
from vqzoo.training.prior_loop import run as run_prior
from vqzoo.training.prior_recipe import PriorRecipe
from vqzoo.training.recipe import Recipe

__all__ = ["PriorRecipe", "Recipe", "main", "run", "run_prior"]

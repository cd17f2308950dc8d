"""Training runs: what a run is (`Recipe`), how it goes (`run`) and its command line."""

from vqzoo.training.loop import run
from vqzoo.training.main import main
from vqzoo.training.recipe import Recipe

__all__ = ["Recipe", "main", "run"]

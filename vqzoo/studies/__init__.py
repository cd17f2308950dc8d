"""Sweeps: a recipe under several conditions and seeds; tables and cards of runs."""

from vqzoo.studies.sweep_loop import run as run_sweep
from vqzoo.studies.sweep_recipe import SweepRecipe

__all__ = ["SweepRecipe", "run_sweep"]

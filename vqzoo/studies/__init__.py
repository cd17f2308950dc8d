"""Sweeps: a recipe under several conditions and seeds; tables and cards of runs."""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__,
    {
        "SweepRecipe": "sweep_recipe.SweepRecipe",
        "WorldModelRecipe": "world_model.WorldModelRecipe",
        "WorldStudyRecipe": "world_study.WorldStudyRecipe",
        "run_sweep": "sweep_loop.run",
    },
)

"""Runnable recipes: `python -m vqzoo.recipes.NAME`."""

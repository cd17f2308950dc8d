"""Kinds of runs, a file each: the recipe and how it goes."""

"""Layers in which no place sees those after it: of priors over codes."""

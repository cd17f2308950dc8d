"""Layers in which no position sees those after it: of priors over codes."""

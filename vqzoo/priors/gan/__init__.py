"""Priors that are generators of GANs, named for `--gan`."""

"""Discriminators, by the names of `--discriminator`."""

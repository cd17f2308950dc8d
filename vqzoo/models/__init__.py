"""Keras models from images to images, each with `encode` and `decode`."""

from vqzoo.models.vqvae import VQVAE, vqvae_32
from vqzoo.models.vqvae2 import (
    VQVAE2,
    vqvae2_32,
    vqvae2_64,
    vqvae2_128,
    vqvae2_256,
    vqvae2_256_public,
    vqvae2_three_tier_256,
)

__all__ = [
    "VQVAE",
    "VQVAE2",
    "vqvae2_128",
    "vqvae2_256",
    "vqvae2_256_public",
    "vqvae2_32",
    "vqvae2_64",
    "vqvae2_three_tier_256",
    "vqvae_32",
]

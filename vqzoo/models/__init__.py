"""Keras models of images, vectors and sequences, with `encode` and `decode`."""

from vqzoo.models.autoencoder import (
    Autoencoder,
    autoencoder_32,
    denoising_autoencoder_32,
    sparse_autoencoder_32,
)
from vqzoo.models.dvae import DiscreteVAE, dalle_dvae
from vqzoo.models.hierarchical_vae import HierarchicalVAE, hierarchical_vae_32
from vqzoo.models.hqa import HQA, hqa_32
from vqzoo.models.separate_vqvaes import SeparateVQVAEs, separate_vqvaes_64
from vqzoo.models.sequence_vqvae import SequenceVQVAE
from vqzoo.models.titok import TiTok, titok_64
from vqzoo.models.tokenizers import (
    chameleon,
    janus,
    ldm_vq_f4,
    ldm_vq_f8,
    ldm_vq_f16,
    llamagen_ds8,
    llamagen_ds16,
    vqgan_f16_1024,
    vqgan_f16_16384,
)
from vqzoo.models.vae import VAE, bernoulli_vae_32, beta_vae_32, vae_32, vae_64
from vqzoo.models.vector_vqvae import VectorVQVAE
from vqzoo.models.vqgan import VQGAN, vqgan_32, vqgan_64
from vqzoo.models.vqvae import VQVAE, vqvae_32, vqvae_64, vqvae_128, vqvae_var_32
from vqzoo.models.vqvae2 import (
    VQVAE2,
    vqvae2_32,
    vqvae2_64,
    vqvae2_128,
    vqvae2_256,
    vqvae2_256_deep,
    vqvae2_256_public,
    vqvae2_three_tier_256,
)

__all__ = [
    "Autoencoder",
    "DiscreteVAE",
    "HQA",
    "HierarchicalVAE",
    "SeparateVQVAEs",
    "SequenceVQVAE",
    "TiTok",
    "VAE",
    "VQGAN",
    "VQVAE",
    "VQVAE2",
    "VectorVQVAE",
    "autoencoder_32",
    "bernoulli_vae_32",
    "beta_vae_32",
    "chameleon",
    "dalle_dvae",
    "denoising_autoencoder_32",
    "hierarchical_vae_32",
    "hqa_32",
    "janus",
    "ldm_vq_f16",
    "ldm_vq_f4",
    "ldm_vq_f8",
    "llamagen_ds16",
    "llamagen_ds8",
    "separate_vqvaes_64",
    "sparse_autoencoder_32",
    "titok_64",
    "vae_32",
    "vae_64",
    "vqgan_32",
    "vqgan_64",
    "vqgan_f16_1024",
    "vqgan_f16_16384",
    "vqvae2_128",
    "vqvae2_256",
    "vqvae2_256_deep",
    "vqvae2_256_public",
    "vqvae2_32",
    "vqvae2_64",
    "vqvae2_three_tier_256",
    "vqvae_32",
    "vqvae_64",
    "vqvae_128",
    "vqvae_var_32",
]

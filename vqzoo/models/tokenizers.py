"""The public image tokenizers whose network is that of `VQGAN`, by their names."""

import functools

import keras

from vqzoo.layers import TransformedQuantizer, VectorQuantizer
from vqzoo.models.vqgan import named


def _sized(num_embeddings, embedding_dim, **options):
    return functools.partial(VectorQuantizer, num_embeddings, embedding_dim, **options)


def vqgan_f16_1024(quantizer=None, **overrides):
    """The VQGAN of ImageNet with 1,024 codes: 256 x 256 images, 16 x 16 codes.

    128 to 512 channels, 2 residual blocks per level, attention at 16 x 16, K = 1024,
    D = 256; 72,141,699 trainable weights with the default quantizer.

    Args:
        quantizer: function from the tier's index, 0, to a quantizer layer. Defaults to
            `VectorQuantizer(1024, 256)`.
        **overrides: arguments of `VQGAN`.

    Returns:
        `VQGAN`.

    Source: Esser et al. 2020, arXiv 2012.09841; vqgan_imagenet_f16_1024 of CompVis.
    """
    return named("vqgan_f16_1024", _sized(1024, 256), quantizer, overrides)


def vqgan_f16_16384(quantizer=None, **overrides):
    """`vqgan_f16_1024` with 16,384 codes: 76,073,859 trainable weights.

    Args and returns: as in `vqgan_f16_1024`.

    Source: as in `vqgan_f16_1024`; vqgan_imagenet_f16_16384 of CompVis.
    """
    return named("vqgan_f16_16384", _sized(16384, 256), quantizer, overrides)


def ldm_vq_f4(quantizer=None, **overrides):
    """The first stage of latent diffusion with stride 4: 64 x 64 codes, K = 8192.

    128 to 512 channels at three levels, attention in the middle alone, D = 3;
    55,322,782 trainable weights with the default quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Rombach et al. 2021, arXiv 2112.10752, table 8; vq-f4 of CompVis.
    """
    levels = {"channel_multipliers": (1, 2, 4), "attention_levels": ()}
    sizes = {"latent_channels": 3, **levels}
    return named("ldm_vq_f4", _sized(8192, 3), quantizer, overrides, **sizes)


def ldm_vq_f8(quantizer=None, **overrides):
    """The first stage of latent diffusion with stride 8: 32 x 32 codes, K = 16384.

    128 to 512 channels at four levels, attention at 32 x 32, D = 4; 67,717,295
    trainable weights with the default quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Rombach et al. 2021, arXiv 2112.10752, table 8; vq-f8 of CompVis.
    """
    levels = {"channel_multipliers": (1, 2, 2, 4), "attention_levels": (3,)}
    sizes = {"latent_channels": 4, **levels}
    return named("ldm_vq_f8", _sized(16384, 4), quantizer, overrides, **sizes)


def ldm_vq_f16(quantizer=None, **overrides):
    """The first stage of latent diffusion with stride 16: 16 x 16 codes, K = 16384.

    The levels of `vqgan_f16_1024`, D = 8; 69,593,371 trainable weights with the default
    quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Rombach et al. 2021, arXiv 2112.10752, table 8; vq-f16 of CompVis.
    """
    sizes = {"latent_channels": 8}
    return named("ldm_vq_f16", _sized(16384, 8), quantizer, overrides, **sizes)


def llamagen_ds8(quantizer=None, **overrides):
    """LlamaGen's tokenizer with stride 8: 32 x 32 codes of length 1, K = 16384, D = 8.

    128 to 512 channels at four levels, attention at the last; 70,109,835 trainable
    weights with the default quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Sun et al. 2024, arXiv 2406.06525, table 1; vq_ds8_c2i.
    """
    levels = {"channel_multipliers": (1, 2, 2, 4), "attention_levels": (3,)}
    default = _sized(16384, 8, normalize=True)
    return named("llamagen_ds8", default, quantizer, overrides, **levels)


def llamagen_ds16(quantizer=None, **overrides):
    """LlamaGen's tokenizer with stride 16: 16 x 16 codes of length 1, K = 16384, D = 8.

    The levels of `vqgan_f16_1024`; 71,883,403 trainable weights with the default
    quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Sun et al. 2024, arXiv 2406.06525, table 1; vq_ds16_c2i.
    """
    default = _sized(16384, 8, normalize=True)
    return named("llamagen_ds16", default, quantizer, overrides)


def janus(quantizer=None, **overrides):
    """The image tokenizer of Janus: 384 x 384 images, 24 x 24 codes, K = 16384, D = 8.

    The network of `llamagen_ds16`; 71,883,403 trainable weights with the default
    quantizer, which takes the nearest code and hands the decoder that code at
    length 1.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Wu et al. 2024, arXiv 2410.13848; JanusVQVAE of transformers 5.24, whose
        encoder normalizes nothing.
    """

    def default(name):
        unit = keras.layers.UnitNormalization(name="unit")
        nearest = VectorQuantizer(16384, 8, name="nearest")
        return TransformedQuantizer(nearest, 8, after=unit, name=name)

    shape = {"image_shape": (384, 384, 3)}
    return named("janus", default, quantizer, overrides, **shape)


def chameleon(quantizer=None, **overrides):
    """The image tokenizer of Chameleon: 512 x 512 images, 32 x 32 codes, K = 8192.

    The levels of `vqgan_f16_1024`, attention in the middle alone, D = 256;
    68,718,467 trainable weights with the default quantizer.

    Args and returns: as in `vqgan_f16_1024`.

    Source: Chameleon team 2024, arXiv 2405.09818; Gafni et al. 2022, arXiv 2203.13131.
    """
    sizes = {"image_shape": (512, 512, 3), "attention_levels": ()}
    return named("chameleon", _sized(8192, 256), quantizer, overrides, **sizes)

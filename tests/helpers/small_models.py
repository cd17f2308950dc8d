"""Small models with a codebook from data, images, and the papers of a run."""

import io

import keras
import numpy as np
from PIL import Image

from vqzoo.layers import NoisyAssignment, VectorQuantizer, VectorQuantizerEMA
from vqzoo.models import VQVAE, VQVAE2, vqvae2_32, vqvae2_three_tier_256

SMALL = {"num_channels": 8, "residual_channels": 4}
METRICS = {"test": {"psnr": 21.5, "top_usage": 0.75}}
SETTINGS = {
    "recipe": {"name": "small_recipe", "dataset": "photos"},
    "dtype_policy": "float32",
    "data_fingerprint": "f00d",
    "versions": {"keras": "3.15.1"},
}


def make_images(count, side=32):
    """Random uint8 images, smooth enough to have codes in common."""
    coarse = np.random.default_rng(count).integers(0, 256, (count, side // 4, 8, 3))
    return coarse.repeat(4, axis=1).repeat(side // 8, axis=2).astype("uint8")


def to_files(images, kind):
    """Bytes of the images' files, of the kind `"PNG"` or `"JPEG"`."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind)
        files.append(file.getvalue())
    return files


def to_floats(images):
    return images.astype("float32") / np.float32(255) - np.float32(0.5)


def to_levels(images):
    return np.clip(np.round((np.asarray(images) + 0.5) * 255), 0, 255)


def two_tiers():
    return vqvae2_32(lambda tier: VectorQuantizerEMA(16, 4, seed=tier), **SMALL)


def make_model(kind):
    """A model of one, two or three tiers whose codes have been placed by a batch."""
    keras.utils.set_random_seed(1)
    if kind == "one tier":
        model = VQVAE(VectorQuantizer(12, 3), image_shape=(16, 32, 3), **SMALL)
        model.quantizer.codebook.assign(np.random.normal(0, 0.1, (12, 3)))
        return model
    if kind == "two tiers":
        model = two_tiers()
    else:
        model = vqvae2_three_tier_256(
            lambda tier: VectorQuantizerEMA(8 + tier, 4, seed=tier),
            image_shape=(64, 64, 3),
            **SMALL,
        )
    model(to_floats(make_images(8, model.image_shape[0])), training=True)
    return model


def model_of(seed):
    """A model of two tiers, 2 x 2 codes of 8 and 4 x 4 codes of 16."""
    keras.utils.set_random_seed(seed)
    tiers = [
        VectorQuantizerEMA(size, 4, assignment=NoisyAssignment(0.5)) for size in (8, 16)
    ]
    model = VQVAE2(
        tiers,
        image_shape=(16, 16, 3),
        num_channels=8,
        residual_channels=4,
        num_residual_blocks=1,
    )
    images = np.random.default_rng(seed).uniform(-0.5, 0.5, (8, 16, 16, 3))
    model(images.astype("float32"), training=True)
    return model


def plain_quantizer(size=8):
    """A quantizer whose codes are not equal, without a first batch."""
    return VectorQuantizer(size, 4, codebook_init="random_normal")

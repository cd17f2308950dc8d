"""Small models, seen as the page sees them, and files of images."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from tests.helpers.case import FEW_CHANNELS
from tests.helpers.small_models import make_model, model_of, plain_quantizer
from vqzoo.app.explored import Explored
from vqzoo.layers import ResidualQuantizer
from vqzoo.models import VQVAE, VQVAE2


def _images(shape, count=2, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, (count, *shape)).astype("float32")


@pytest.fixture(scope="session")
def images_of():
    """Function of a shape, and a count and seed, to random images."""
    return _images


@pytest.fixture(scope="session")
def two_tiers():
    """16 x 16 images, 2 x 2 codes of 8 and 4 x 4 codes of 16."""
    return Explored(model_of(0))


@pytest.fixture(scope="session")
def three_tiers():
    """16 x 16 images, 2 x 2, 4 x 4 and 8 x 8 codes of 8."""
    keras.utils.set_random_seed(3)
    tiers = [plain_quantizer() for _ in range(3)]
    return Explored(
        VQVAE2(tiers, image_shape=(16, 16, 3), bottom_stride=2, **FEW_CHANNELS)
    )


@pytest.fixture(scope="session")
def one_tier():
    """16 x 32 images, 4 x 8 codes of 12."""
    return Explored(make_model("one tier"))


@pytest.fixture(scope="session")
def two_codes():
    """8 x 8 gray images, 2 x 2 latents with two codes of 8 each."""
    keras.utils.set_random_seed(2)
    layer = ResidualQuantizer([plain_quantizer(), plain_quantizer()])
    return Explored(VQVAE(layer, image_shape=(8, 8, 1), **FEW_CHANNELS))


@pytest.fixture(scope="session")
def to_file():
    """Function of an image and a Pillow format to the bytes of a file."""

    def encode(image, kind="PNG", **options):
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode

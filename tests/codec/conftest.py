import numpy as np
import pytest

from tests.codec.small_pipeline import pipeline_of
from vqzoo.codec import Codec

SIZES = ((16, 16), (1, 1), (37, 50), (16, 16), (64, 9))


@pytest.fixture(scope="session")
def drawn():
    return pipeline_of()


@pytest.fixture(scope="session")
def codec(drawn):
    return Codec(drawn.model, drawn)


@pytest.fixture(scope="session")
def pictures():
    """Smooth images of several sizes, uint8."""
    generator = np.random.default_rng(0)
    found = []
    for height, width in SIZES:
        rows, columns = np.indices((height, width))[..., None]
        slope = generator.uniform(-6, 6, (2, 3))
        ramp = 128 + slope[0] * (rows - height / 2) + slope[1] * (columns - width / 2)
        noise = generator.normal(0, 8, (height, width, 3))
        found.append(np.clip(ramp + noise, 0, 255).astype("uint8"))
    return found


@pytest.fixture(scope="session")
def files(codec, pictures):
    """Files of the images in each mode."""
    return {mode: codec.compress(pictures, mode=mode) for mode in codec.modes}

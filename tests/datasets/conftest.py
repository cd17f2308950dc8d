"""Made-up images, and the folder of real ones."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

_DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"


def make_pixels(number: int, height: int = 8, width: int = 8) -> np.ndarray:
    """A random RGB image, another one for every number."""
    shape = (height, width, 3)
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


def encode(image, kind: str = "PNG", **options) -> bytes:
    """The bytes of an image file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def image_folder(tmp_path):
    """100 different images of 8 x 8 pixels in two class folders."""
    for number in range(100):
        path = tmp_path / ("cats", "dogs")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(make_pixels(number)))
    return tmp_path


@pytest.fixture
def data_dir():
    """The folder of real images beside the checkout."""
    if not _DATA.exists():
        pytest.skip(f"the real images in {_DATA} are missing")
    return _DATA

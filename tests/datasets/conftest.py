"""Made-up images, and the folder of real ones."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

_DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"


def _make_pixels(number, height=8, width=8):
    shape = (height, width, 3)
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


def _encode(image, kind="PNG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def make_pixels():
    """Function of a number, and a height and width, to a random RGB image."""
    return _make_pixels


@pytest.fixture(scope="session")
def encode():
    """Function of an image and a Pillow format to the bytes of a file."""
    return _encode


@pytest.fixture
def image_folder(tmp_path):
    """100 different images of 8 x 8 pixels in two class folders."""
    for number in range(100):
        path = tmp_path / "made_up" / ("cats", "dogs")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(_encode(_make_pixels(number)))
    return tmp_path / "made_up"


@pytest.fixture
def data_dir():
    """The folder of real images beside the checkout."""
    if not _DATA.exists():
        pytest.skip(f"the real images in {_DATA} are missing")
    return _DATA

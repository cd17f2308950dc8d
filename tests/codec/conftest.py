import pytest

from tests.helpers.pictures import smooth_pictures
from tests.helpers.pipelines import sure_pipeline
from vqzoo.codec import Codec


@pytest.fixture(scope="session")
def drawn():
    return sure_pipeline()


@pytest.fixture(scope="session")
def codec(drawn):
    return Codec(drawn.model, drawn)


@pytest.fixture(scope="session")
def pictures():
    """Smooth images of several sizes, uint8."""
    return smooth_pictures()


@pytest.fixture(scope="session")
def files(codec, pictures):
    """Files of the images in each mode."""
    return {mode: codec.compress(pictures, mode=mode) for mode in codec.modes}

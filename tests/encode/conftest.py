import pytest

from tests.helpers.small_models import model_of


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A small model of images of 16 pixels, from a file."""
    from vqzoo.encode.encoder import Encoder

    path = tmp_path_factory.mktemp("model") / "model.keras"
    model_of(1).save(path)
    return Encoder(str(path))

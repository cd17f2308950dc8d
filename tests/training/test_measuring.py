import types

import numpy as np
import pytest

from vqzoo import report
from vqzoo.training import measuring


def model_of(*image_shape):
    return types.SimpleNamespace(image_shape=image_shape)


@pytest.mark.parametrize("shape", [(16, 16, 1), (48, 48, 3)])
def test_sprites_have_the_size_of_the_model(shape):
    options = measuring.options(model_of(*shape), factors="sprites")
    sample_factors, images_of = options["factors"]
    images = images_of(sample_factors(3, np.random.default_rng(0)))
    assert images.shape == (3, *shape[:2], 1)  # The section repeats the channel.
    assert set(np.unique(images)) == {-0.5, 0.5}


def test_sprites_for_images_that_are_not_square_name_the_flag():
    with pytest.raises(ValueError, match=r"--factors=sprites, received one of 32 x 64"):
        measuring.options(model_of(32, 64, 3), factors="sprites")
    assert "factors" not in measuring.options(model_of(32, 64, 3))


def test_large_images_are_no_more_than_memory_holds():
    assert measuring.sizes(model_of(32, 32, 3)).images == 10_000
    assert measuring.sizes(model_of(256, 256, 3)).images == 2543
    assert measuring.sizes(model_of(256, 256, 3), quick=True) == report.QUICK
    assert measuring.sizes(model_of(2**15, 2**15, 3)).images == 1


def test_data_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(32, 64, 3\).*\(32, 32, 3\) from --data"):
        measuring.load(model_of(32, 64, 3), "sprites")
    splits = measuring.load(model_of(32, 32, 3), "sprites")
    assert splits.image_shape == (32, 32, 3)

import keras
import numpy as np
import pytest

from tests.helpers.case import small_ema
from vqzoo.codec import Codec, layouts
from vqzoo.models import TiTok
from vqzoo.priors import Transformer
from vqzoo.priors.pipeline import Pipeline


@pytest.fixture(scope="module")
def codec():
    keras.utils.set_random_seed(0)
    sizes = {"patch_size": 4, "num_channels": 8, "num_layers": 1, "num_heads": 2}
    model = TiTok(small_ema(), image_shape=(8, 12, 3), num_tokens=5, **sizes)
    model(np.random.default_rng(0).uniform(-0.5, 0.5, (8, 8, 12, 3)), training=True)
    prior = Transformer((1, 5), 4, num_layers=1, num_channels=8, num_heads=2)
    return Codec(model, Pipeline(model, [prior]))


@pytest.mark.parametrize("mode", ["raw", "unigram", "prior"])
def test_tokens_of_images_of_any_size_come_back(codec, mode):
    generator = np.random.default_rng(1)
    pictures = [
        generator.integers(0, 256, (*size, 3)).astype("uint8")
        for size in ((8, 12), (17, 13))
    ]
    grids = codec.encode(pictures)
    assert [grid.shape for (grid,) in grids] == [(1, 5), (3, 10)]
    files = codec.compress(pictures, mode=mode)
    for (found,), (expected,) in zip(codec.files.read(files), grids):
        np.testing.assert_array_equal(found, expected)
    back = codec.decompress(files)
    assert [picture.shape for picture in back] == [p.shape for p in pictures]
    image = pictures[0][None] / np.float32(255) - np.float32(0.5)
    rebuilt = np.asarray(codec.model.decode(codec.model.encode(image)))[0]
    levels = np.clip(np.rint((rebuilt + 0.5) * 255), 0, 255)
    assert np.abs(back[0].astype(int) - levels).max() <= 1


def test_tiles_are_put_together_as_they_were_cut():
    array = np.arange(2 * 6 * 8).reshape(2, 6, 8)
    tiles = layouts._apart(array, (3, 2))
    assert tiles.shape == (12, 2, 4)
    np.testing.assert_array_equal(tiles[1], array[0, :2, 4:])
    np.testing.assert_array_equal(layouts._together(tiles, (3, 2)), array)

import keras
import numpy as np
import pytest

from tests.helpers.small_models import model_of
from vqzoo.codec import images
from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import HQA, VQVAE, SeparateVQVAEs

SMALL = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}


def quantizers(count):
    return [
        VectorQuantizerEMA(16, 4, codebook_init="random_normal") for _ in range(count)
    ]


MODELS = {
    "vqvae": lambda: VQVAE(*quantizers(1), image_shape=(16, 16, 3), **SMALL),
    "vqvae2": lambda: model_of(0),
    "hqa": lambda: HQA(quantizers(2), image_shape=(16, 16, 3), **SMALL),
    "separate": lambda: SeparateVQVAEs(quantizers(2), image_shape=(16, 16, 3), **SMALL),
}


def strides_of(model):
    codes = model.encode(np.zeros((1, 16, 16, 3), "float32"))
    return [16 // grid.shape[1] for grid in codes]


def random_images(count, height, width):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3)).astype("uint8")


@pytest.fixture(params=MODELS)
def model(request):
    keras.utils.set_random_seed(0)
    return MODELS[request.param]()


def test_every_model_with_codes_takes_images_of_other_sizes(model):
    strides = strides_of(model)
    pictures = random_images(2, 48, 24)
    grids = images.encode(model, strides, pictures)
    assert [grid.shape for grid in grids] == [(2, 48 // s, 24 // s) for s in strides]
    assert len(np.unique(grids[-1])) > 3
    expected = model.encode(pictures / np.float32(255) - np.float32(0.5))
    for grid, codes in zip(grids, expected):
        assert np.array_equal(grid, np.asarray(codes))
    found = images.decode(model, strides, grids)
    levels = np.clip(np.rint((np.asarray(model.decode(grids)) + 0.5) * 255), 0, 255)
    assert found.dtype == np.uint8 and np.array_equal(found, levels)
    assert found.std() > 0


def test_windows_show_no_seam(model, monkeypatch):
    strides = strides_of(model)
    pictures = random_images(2, 96, 72)
    grids = images.encode(model, strides, pictures)
    whole = images.decode(model, strides, grids)
    monkeypatch.setattr(images, "_WINDOW", 16)
    monkeypatch.setattr(images, "_MARGIN", 48)  # a network of few layers sees no more
    monkeypatch.setattr(images, "_PIXELS_AT_ONCE", 1)
    for grid, in_windows in zip(grids, images.encode(model, strides, pictures)):
        assert np.mean(grid == in_windows) > 0.99
    found = images.decode(model, strides, grids).astype(int)
    assert np.abs(found - whole).max() <= 1


def test_windows_cover_every_pixel_once():
    for side in (8, 512, 640, 648, 4000):
        spans = images._spans(side, 8)
        covered = [place for span in spans for place in range(side)[span.core()]]
        assert covered == list(range(side))
        for span in spans:
            assert span.seen().start <= span.core().start
            seen = range(side)[span.seen()]
            assert list(seen[span.inner()]) == list(range(side)[span.core()])
            assert len(seen) <= 640


def test_images_are_reflected_at_the_lower_right():
    row = np.arange(3, dtype="uint8").reshape(1, 1, 3, 1)
    assert images.pad(row, 4)[0, :, :, 0].tolist() == [[0, 1, 2, 1]] * 4
    assert images.pad(row[:, :, :1], 4).shape == (1, 4, 4, 1)

import keras
import numpy as np
import pytest

from vqzoo.layers import VectorQuantizer
from vqzoo.measures.interpolation import (
    SPACES,
    interpolate,
    plausibility,
    superposition,
)
from vqzoo.models import VQVAE, Autoencoder

SHARES = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    layer = VectorQuantizer(16, 4, codebook_init="random_normal")
    return VQVAE(layer, image_shape=(8, 8, 3), **sizes)


def images(seed, count=3):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, (count, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("space", SPACES)
def test_the_ends_are_the_images_or_their_reconstructions(space, model):
    first, second = images(0), images(1)
    between = interpolate(model, first, second, SHARES, space)
    assert between.shape == (3, 3, 8, 8, 3)
    ends = (first, second)
    if space != "pixels":
        ends = [np.asarray(model.decode(model.encode(each))) for each in ends]
    for index, end in ((0, ends[0]), (2, ends[1])):
        np.testing.assert_allclose(
            between[:, index], np.clip(end, -0.5, 0.5), atol=1e-5
        )


def test_the_middle_is_that_of_the_space(model):
    first, second = images(0), images(1)
    middle = {s: interpolate(model, first, second, (0.5,), s)[:, 0] for s in SPACES}
    np.testing.assert_allclose(middle["pixels"], (first + second) / 2, atol=1e-6)
    (a,), (b,) = model.encode(first), model.encode(second)
    half = np.rint((np.asarray(a) + np.asarray(b)) / 2).astype("int32")
    expected = np.clip(np.asarray(model.decode((half,))), -0.5, 0.5)
    np.testing.assert_allclose(middle["indices"], expected, atol=1e-5)
    (latents_a,), (latents_b,) = model.latents(first), model.latents(second)
    codes = model.quantizer.encode((latents_a + latents_b) / 2)
    expected = np.clip(np.asarray(model.decode((codes,))), -0.5, 0.5)
    np.testing.assert_allclose(middle["latents"], expected, atol=1e-5)
    assert not np.allclose(middle["indices"], middle["latents"], atol=1e-3)


def test_real_images_that_come_back_are_plausible_and_blends_are_not():
    real = images(0, 20)

    def features(x):
        return x.reshape(len(x), -1)

    known = plausibility(real[:5], real, features, lambda x: x)
    assert known == pytest.approx({"nearest_real": 0, "change": 0}, abs=1e-6)
    blend = (real[:5] + real[5:10]) / 2
    found = plausibility(blend, real, features, lambda x: x + 0.25)
    assert found["nearest_real"] > 1 and found["change"] == pytest.approx(0.25)


def test_what_cannot_be_is_refused(model):
    with pytest.raises(ValueError, match="'pixel'"):
        interpolate(model, images(0), images(1), SHARES, "pixel")
    with pytest.raises(ValueError, match="one shape"):
        interpolate(model, images(0), images(1, 2), SHARES, "pixels")


def test_latents_that_are_real_numbers_are_mixed_and_have_no_indices():
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = Autoencoder(image_shape=(8, 8, 3), latent_dim=4, stride=4, **sizes)
    first, second = images(0), images(1)
    between = interpolate(model, first, second, SHARES, "latents")
    mixed = (np.asarray(model.encode(first)[0]) + model.encode(second)[0]) / 2
    expected = np.clip(np.asarray(model.decode((mixed,))), -0.5, 0.5)
    np.testing.assert_allclose(between[:, 1], expected, atol=1e-5)
    with pytest.raises(ValueError, match="space='latents'.*'indices'"):
        interpolate(model, first, second, SHARES, "indices")


def test_a_blend_is_a_superposition_and_another_image_is_none():
    first, second = images(0), images(1)
    assert superposition((first + second) / 2, first, second) == pytest.approx(100)
    other = superposition(images(2), first, second)
    assert 5 < other < 15
    assert superposition((first + second) / 2 + 0.1, first, second) == pytest.approx(
        20, abs=0.5
    )

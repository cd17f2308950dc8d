import keras
import numpy as np
import pytest
from keras import ops

from vqzoo.layers.autoencoding.corruption import gaussian_corruption, masking_corruption


def images(*shape):
    return np.random.default_rng(0).uniform(0.1, 0.5, shape).astype("float32")


def masks(rate, seed, shape=(5, 6, 8, 3)):
    corrupted = ops.convert_to_numpy(masking_corruption(images(*shape), rate, seed))
    return corrupted == 0


@pytest.mark.parametrize(
    ("rate", "masked"), [(0.0, 0), (0.25, 12), (0.3, 14), (0.51, 24), (1.0, 48)]
)
def test_every_image_loses_the_same_number_of_pixels(rate, masked):
    of_pixels = masks(rate, seed=1)
    assert of_pixels[..., 0].sum(axis=(1, 2)).tolist() == [masked] * 5
    assert (of_pixels == of_pixels[..., :1]).all()


def test_pixels_that_are_not_masked_stay_to_the_bit():
    batch = images(2, 6, 8, 3)
    corrupted = ops.convert_to_numpy(masking_corruption(batch, 0.5, seed=1))
    kept = corrupted != 0
    np.testing.assert_array_equal(corrupted[kept], batch[kept])


@pytest.mark.parametrize("corrupt", [gaussian_corruption, masking_corruption])
def test_equal_seeds_give_equal_corruptions_and_others_not(corrupt):
    batch = images(4, 6, 6, 1)
    first, again, other = (
        ops.convert_to_numpy(corrupt(batch, 0.5, seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    generator = keras.random.SeedGenerator(7)
    drawn = [ops.convert_to_numpy(corrupt(batch, 0.5, generator)) for _ in range(2)]
    assert (drawn[0] != drawn[1]).any()


def test_each_image_has_a_mask_of_its_own_and_every_pixel_its_turn():
    of_pixels = masks(0.5, seed=3, shape=(200, 4, 4, 1))[..., 0]
    assert len(np.unique(of_pixels.reshape(200, 16), axis=0)) > 150
    shares = of_pixels.mean(axis=0)
    # Four standard deviations of the mean of 200 even draws.
    assert np.abs(shares - 0.5).max() < 4 * np.sqrt(0.25 / 200)


def test_the_noise_is_gaussian_with_its_standard_deviation():
    batch = images(50, 16, 16, 3)
    noise = ops.convert_to_numpy(gaussian_corruption(batch, 0.2, seed=1)) - batch
    assert noise.mean() == pytest.approx(0, abs=4 * 0.2 / np.sqrt(noise.size))
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    within_one = (np.abs(noise) < 0.2).mean()
    assert within_one == pytest.approx(0.6827, abs=0.01)


def test_no_noise_leaves_the_images_alone():
    batch = images(2, 4, 4, 3)
    np.testing.assert_array_equal(gaussian_corruption(batch, 0.0, seed=1), batch)


@pytest.mark.parametrize("corrupt", [gaussian_corruption, masking_corruption])
def test_half_precision_images_stay_so(corrupt):
    corrupted = corrupt(images(2, 4, 4, 3).astype("float16"), 0.25, 1)
    assert keras.backend.standardize_dtype(corrupted.dtype) == "float16"
    exact = ops.convert_to_numpy(corrupt(images(2, 4, 4, 3), 0.25, 1))
    np.testing.assert_allclose(ops.cast(corrupted, "float32"), exact, atol=2e-3)

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_pair
from vqzoo.metrics import PSNR
from vqzoo.metrics.psnr import psnr

CASES = [
    Case("PSNR", lambda: PSNR(max_value=2.0, name="decibels"), random_pair()),
]


def noisy_pair(size=16, channels=3, scale=0.1):
    generator = np.random.default_rng(size + channels)
    images = generator.uniform(-0.5, 0.5, (4, size, size, channels)).astype("float32")
    noise = scale * generator.normal(size=images.shape).astype("float32")
    return images, np.clip(images + noise, -0.5, 0.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_agrees_with_tensorflow(channels):
    images, rebuilt = noisy_pair(channels=channels)
    expected = tf.image.psnr(images + 0.5, rebuilt + 0.5, max_val=1.0)
    np.testing.assert_allclose(psnr(images, rebuilt), expected, rtol=1e-5)


def test_equal_images_have_100_decibels():
    images, _ = noisy_pair()
    assert psnr(images, images).numpy() == pytest.approx([100] * 4)


def test_black_for_white_has_0_decibels():
    white = np.full((2, 8, 8, 1), 0.5, "float32")
    assert psnr(white, -white).numpy() == pytest.approx([0, 0], abs=1e-5)


def test_values_beyond_the_range_are_clipped():
    white = np.full((2, 8, 8, 1), 0.5, "float32")
    assert psnr(white, 10 * white).numpy() == pytest.approx([100, 100])
    assert psnr(white, -10 * white).numpy() == pytest.approx([0, 0], abs=1e-5)


def test_the_width_of_the_range_is_the_peak():
    images, rebuilt = noisy_pair()
    wide = psnr(255 * images, 255 * rebuilt, max_value=255.0)
    np.testing.assert_allclose(wide, psnr(images, rebuilt), rtol=1e-5)


def test_the_metric_is_the_mean_of_the_images_decibels():
    # Errors of 0.1 and 0.01: 20 and 40 dB, though the mean error is at 23 dB.
    images = np.zeros((2, 8, 8, 3), "float32")
    rebuilt = images + np.array([0.1, 0.01], "float32")[:, None, None, None]
    metric = PSNR()
    metric.update_state(images, rebuilt)
    assert float(metric.result()) == pytest.approx(30, rel=1e-5)


def test_a_smaller_last_batch_counts_by_its_images():
    images, rebuilt = noisy_pair()
    metric = PSNR()
    metric.update_state(images[:3], rebuilt[:3])
    metric.update_state(images[3:], rebuilt[3:])
    expected = psnr(images, rebuilt).numpy().mean()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)

import numpy as np
import pytest
import tensorflow as tf

from vqzoo.metrics import SSIM
from vqzoo.metrics.ssim import ssim


def noisy_pair(height=24, width=17, channels=3, scale=0.1):
    generator = np.random.default_rng(height + channels)
    shape = (4, height, width, channels)
    images = generator.uniform(-0.5, 0.5, shape).astype("float32")
    images = np.round(images, 1)  # some flat areas
    noise = scale * generator.normal(size=shape).astype("float32")
    return images, np.clip(images + noise, -0.5, 0.5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("size", [(11, 11), (24, 17), (64, 64)])
def test_it_agrees_with_tensorflow(size, scale, channels):
    images, rebuilt = noisy_pair(*size, channels, scale)
    expected = tf.image.ssim(images + 0.5, rebuilt + 0.5, max_val=1.0)
    np.testing.assert_allclose(ssim(images, rebuilt), expected, atol=1e-5)


def test_equal_images_have_an_index_of_1():
    images, _ = noisy_pair()
    np.testing.assert_allclose(ssim(images, images), 1, atol=1e-6)


def test_negatives_have_a_negative_index():
    images, _ = noisy_pair()
    assert (ssim(images, -images).numpy() < -0.8).all()


def test_unrelated_images_are_near_0():
    images, other = noisy_pair(64, 64)[0], noisy_pair(64, 65)[0][:, :, :64]
    assert (np.abs(ssim(images, other)) < 0.1).all()


def test_flat_images_are_compared_by_their_brightness():
    first = np.full((1, 16, 16, 1), -0.1, "float32")  # 0.4 from black
    second = np.full((1, 16, 16, 1), 0.3, "float32")  # 0.8 from black
    expected = (2 * 0.4 * 0.8 + 1e-4) / (0.4**2 + 0.8**2 + 1e-4)
    assert float(ssim(first, second)[0]) == pytest.approx(expected, abs=1e-4)
    black = np.full((1, 16, 16, 1), -0.5, "float32")
    assert float(ssim(black, black)[0]) == pytest.approx(1)


def test_values_beyond_the_range_are_clipped():
    images, rebuilt = noisy_pair(scale=2.0)
    clipped = ssim(images, rebuilt)
    wide = np.where(np.abs(rebuilt) == 0.5, 5 * rebuilt, rebuilt)
    np.testing.assert_allclose(ssim(images, wide), clipped, atol=1e-6)


def test_the_width_of_the_range_scales_out():
    images, rebuilt = noisy_pair()
    wide = ssim(255 * images, 255 * rebuilt, max_value=255.0)
    np.testing.assert_allclose(wide, ssim(images, rebuilt), atol=1e-5)


def test_the_metric_is_the_mean_over_all_images():
    images, rebuilt = noisy_pair()
    metric = SSIM()
    metric.update_state(images[:3], rebuilt[:3])
    metric.update_state(images[3:], rebuilt[3:])
    expected = ssim(images, rebuilt).numpy().mean()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)

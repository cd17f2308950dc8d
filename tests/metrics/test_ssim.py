import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_pair
from vqzoo.metrics import SSIM
from vqzoo.metrics.ssim import SCALE_WEIGHTS, ms_ssim, num_scales, ssim

CASES = [
    Case("SSIM", lambda: SSIM(), random_pair()),
]


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "count"), [((11, 30), 1), ((32, 32), 2), ((47, 64), 3), ((161, 170), 5)]
)
def test_several_scales_agree_with_tensorflow(size, count, channels):
    images, rebuilt = noisy_pair(*size, channels, 0.1)
    assert num_scales(images.shape[1:]) == count
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    expected = tf.image.ssim_multiscale(
        images + 0.5, rebuilt + 0.5, max_val=1.0, power_factors=weights
    )
    np.testing.assert_allclose(ms_ssim(images, rebuilt), expected, atol=3e-5)


def test_several_scales_of_equal_of_negative_and_of_flat_images():
    images, _ = noisy_pair(32, 32)
    np.testing.assert_allclose(ms_ssim(images, images), 1, atol=1e-5)
    assert (ms_ssim(images, -images).numpy() == 0).all()
    flat = np.full((1, 32, 32, 1), 0.1, "float32")
    expected = ((2 * 0.6 * 0.4 + 1e-4) / (0.6**2 + 0.4**2 + 1e-4)) ** (0.2856 / 0.3304)
    assert float(ms_ssim(flat, flat - 0.2)[0]) == pytest.approx(expected, abs=1e-4)


def test_images_below_a_window_have_no_scale():
    assert num_scales((10, 64, 3)) == 0 and num_scales((256, 256, 3)) == 5
    small = np.zeros((1, 10, 64, 3), "float32")
    for measure in (ssim, ms_ssim):
        with pytest.raises(ValueError, match=r"at least 11, received .*10, 64"):
            measure(small, small)


def test_images_below_the_window_are_refused_with_their_shape():
    small = np.zeros((1, 10, 32, 3), "float32")
    with pytest.raises(ValueError, match=r"at least 11.*\(1, 10, 32, 3\)"):
        SSIM().update_state(small, small)

import numpy as np
import pytest
import tensorflow as tf

from vqzoo.evaluation import reconstruction_error


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def test_equal_images_are_perfect():
    batch = images(3, 16, 16, 3)
    assert reconstruction_error(batch, batch) == {
        "mean_squared_error": 0,
        "psnr": pytest.approx(100),
        "psnr_of_mean_error": pytest.approx(100),
        "ssim": pytest.approx(1),
    }


def test_the_negative_of_black_and_white_is_useless():
    batch = np.sign(images(3, 16, 16, 3)) / 2
    result = reconstruction_error(batch, -batch)
    assert result["mean_squared_error"] == 1
    assert result["psnr"] == pytest.approx(0, abs=1e-5)
    assert result["psnr_of_mean_error"] == pytest.approx(0, abs=1e-5)
    assert result["ssim"] < -0.8


def test_errors_of_a_tenth_and_a_hundredth():
    batch = np.zeros((2, 8, 8, 3), "float32")
    rebuilt = batch + np.array([0.1, 0.01], "float32")[:, None, None, None]
    result = reconstruction_error(batch, rebuilt)
    assert set(result) == {"mean_squared_error", "psnr", "psnr_of_mean_error"}
    assert result["mean_squared_error"] == pytest.approx(0.00505, rel=1e-5)
    assert result["psnr"] == pytest.approx(30, rel=1e-5)
    assert result["psnr_of_mean_error"] == pytest.approx(22.967, rel=1e-4)


def test_values_beyond_the_range_are_clipped():
    batch = np.full((2, 8, 8, 1), 0.5, "float32")
    result = reconstruction_error(batch, 3 * batch)
    assert result["mean_squared_error"] == 0


def test_all_equal_images_give_finite_numbers():
    batch = np.zeros((2, 16, 16, 1), "float32")
    result = reconstruction_error(batch, np.full_like(batch, 0.25))
    assert result["mean_squared_error"] == pytest.approx(1 / 16)
    assert 0 < result["ssim"] < 1
    assert all(np.isfinite(value) for value in result.values())


@pytest.mark.parametrize("batch_size", [1, 2, 5, 128])
def test_the_batch_size_changes_no_number(batch_size):
    batch, other = images(10, 16, 16, 3)[:5], images(10, 16, 16, 3)[5:]
    rebuilt = 0.8 * batch + 0.2 * other
    result = reconstruction_error(batch, rebuilt, batch_size)
    pair = batch + 0.5, rebuilt + 0.5
    psnr, ssim = tf.image.psnr(*pair, 1.0), tf.image.ssim(*pair, 1.0)
    assert result["psnr"] == pytest.approx(np.mean(psnr), rel=1e-5)
    assert result["ssim"] == pytest.approx(np.mean(ssim), abs=1e-5)


def test_other_shapes_and_no_images_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 8, 8, 3\) and \(1, 8, 8, 3\)"):
        reconstruction_error(images(2, 8, 8, 3), images(1, 8, 8, 3))
    with pytest.raises(ValueError, match="at least one image"):
        reconstruction_error(images(0, 8, 8, 3), images(0, 8, 8, 3))

import numpy as np
import pytest
import tensorflow as tf

from vqzoo.measures import reconstruction_error
from vqzoo.measures.reconstruction import (
    decode_tiers,
    multiscale_similarity,
    tier_subsets,
)


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


def test_similarity_over_scales_is_that_of_tensorflow():
    batch, other = images(6, 40, 40, 3)[:3], images(6, 40, 40, 3)[3:]
    rebuilt = 0.8 * batch + 0.2 * other
    weights = np.array([0.0448, 0.2856])
    expected = tf.image.ssim_multiscale(
        batch + 0.5, rebuilt + 0.5, 1.0, power_factors=weights / weights.sum()
    )
    found = multiscale_similarity(batch, rebuilt, batch_size=2)
    assert found == {"ms_ssim": pytest.approx(np.mean(expected), abs=1e-5), "scales": 2}
    assert multiscale_similarity(batch, batch)["ms_ssim"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"two scales.*\(3, 20, 20, 3\)"):
        multiscale_similarity(batch[:, :20, :20], batch[:, :20, :20])


def test_a_tier_that_is_left_out_is_none_to_the_decoder():
    codes = tuple(np.arange(5)[:, None, None] + 10 * tier for tier in range(3))

    def decode(given):
        assert [each is None for each in given] == [False, True, False]
        return np.stack([given[0], given[2]], axis=-1)

    found = decode_tiers(decode, codes, (True, False, True), batch_size=2)
    assert found[:, 0, 0].tolist() == [[n, n + 20] for n in range(5)]
    for kept in ((False, False, False), (True, True)):
        with pytest.raises(ValueError, match="at least one of 3 tiers"):
            decode_tiers(decode, codes, kept)


def test_the_subsets_are_each_tier_alone_and_each_left_out_once():
    assert tier_subsets(("bottom",)) == {"all tiers": (True,)}
    assert tier_subsets(("top", "bottom")) == {
        "all tiers": (True, True),
        "top alone": (True, False),
        "bottom alone": (False, True),
    }
    three = tier_subsets(("top", "middle", "bottom"))
    assert three["without middle"] == (True, False, True)
    assert len(set(three.values())) == len(three) == 7

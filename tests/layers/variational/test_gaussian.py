import keras
import numpy as np
import pytest

from vqzoo.layers.variational import gaussian


def normals(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def general_kl(mean, scale, prior_mean, prior_scale):
    """KL of one normal from another, per element."""
    ratio = (scale / prior_scale) ** 2
    return 0.5 * (((mean - prior_mean) / prior_scale) ** 2 + ratio - 1 - np.log(ratio))


def test_the_divergence_of_two_latents_by_hand():
    mean = np.array([[2.0, 0.0], [0.0, 0.0]], "float32")
    log_variance = np.array([[0.0, np.log(4)], [0.0, 0.0]], "float32")
    # (2**2 + 1 - 0 - 1) / 2 and (0 + 4 - log 4 - 1) / 2; the standard normal has none.
    expected = [2 + 1.5 - np.log(2), 0]
    received = gaussian.standard_kl(mean, log_variance)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_the_divergence_is_a_sum_over_all_axes_of_an_image():
    mean, log_variance = normals(3, 4, 5, 2), normals(3, 4, 5, 2)
    expected = general_kl(mean, np.exp(log_variance / 2), 0.0, 1.0).sum((1, 2, 3))
    received = gaussian.standard_kl(mean, log_variance)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_the_residual_divergence_is_that_of_the_two_normals():
    prior_mean, prior_log_scale = normals(3, 4, 4, 2), 2 * normals(3, 4, 4, 3)[..., :2]
    shift, log_factor = normals(3, 4, 5, 2)[:, :, :4], normals(4, 4, 4, 2)[:3]
    scale = np.exp(prior_log_scale)
    expected = general_kl(
        prior_mean + shift, scale * np.exp(log_factor), prior_mean, scale
    )
    received = gaussian.residual_kl(shift, log_factor, prior_log_scale)
    np.testing.assert_allclose(received, expected.sum((1, 2, 3)), rtol=1e-4)


def test_no_residual_is_no_divergence_and_a_small_one_is_above_it():
    zeros = np.zeros((1, 2), "float32")
    assert float(gaussian.residual_kl(zeros, zeros, zeros + 3)[0]) == 0
    tiny = gaussian.residual_kl(zeros, zeros + 1e-3, zeros)
    assert float(tiny[0]) == pytest.approx(2e-6, rel=1e-2)


def test_a_clamp_keeps_small_values_and_bounds_large_ones():
    values = np.array([-1e9, -0.1, 0.0, 0.1, np.inf], "float32")
    received = np.asarray(gaussian.soft_clamp(values, 5.0))
    np.testing.assert_allclose(received, [-5, -0.1, 0, 0.1, 5], atol=2e-5)


def test_noise_is_standard_normal_in_the_shape_of_the_values():
    noise = np.asarray(gaussian.noise_like(np.zeros((50, 20, 10)), seed=1))
    assert noise.shape == (50, 20, 10) and noise.dtype == np.float32
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03


def test_draws_of_one_int_differ_from_each_other_and_repeat():
    drawn = gaussian.seeds(3, None, 40)
    assert len(set(drawn)) == 40 and drawn == gaussian.seeds(np.int64(3), None, 40)
    assert drawn != gaussian.seeds(4, None, 40)
    own, given = keras.random.SeedGenerator(1), keras.random.SeedGenerator(1)
    assert gaussian.seeds(None, own, 2) == [own, own]
    assert gaussian.seeds(given, own, 2) == [given, given]

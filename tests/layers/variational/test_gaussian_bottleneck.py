import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GaussianBottleneck

CASES = [
    Case(
        "GaussianBottleneck",
        lambda: GaussianBottleneck(beta=0.5, kl_target=1.0, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: GaussianBottleneck(beta=-1.0), "beta=-1.0"),
    (lambda: GaussianBottleneck(beta=float("nan")), "beta=nan"),
    (lambda: GaussianBottleneck(kl_target=-2.0), "kl_target=-2.0"),
    (
        lambda: GaussianBottleneck()(np.zeros((2, 3), "float32")),
        r"2 \* latent_dim.*shape=\(2, 3\)",
    ),
]

# Means 2, 0 and log variances 0, log 4; then the standard normal.
MOMENTS = np.array([[2.0, 0.0, 0.0, np.log(4)], [0.0, 0.0, 0.0, 0.0]], "float32")
# The clamp brings log 4 = 1.386294 to 10 * tanh(0.1386294) = 1.377477.
LOG_VARIANCE = 10 * np.tanh(np.log(4) / 10)
KL = (2 + 0.5 * (np.exp(LOG_VARIANCE) - 1 - LOG_VARIANCE)) / 2


def loss_of(layer, training=False):
    layer(MOMENTS, training=training)
    (loss,) = layer.losses
    return float(loss)


def test_the_latents_at_inference_are_the_means():
    latents = np.asarray(GaussianBottleneck()(MOMENTS))
    assert latents.tolist() == [[2, 0], [0, 0]]


@pytest.mark.parametrize("training", [False, True])
def test_the_loss_is_the_mean_divergence_times_beta(training):
    assert loss_of(GaussianBottleneck(), training) == pytest.approx(KL, rel=1e-5)
    loss = loss_of(GaussianBottleneck(beta=4.0), training)
    assert loss == pytest.approx(4 * KL, rel=1e-5)


@pytest.mark.parametrize("target", [0.0, 0.5, 25.0])
def test_a_target_is_missed_from_either_side(target):
    layer = GaussianBottleneck(beta=3.0, kl_target=target)
    assert loss_of(layer) == pytest.approx(3 * abs(KL - target), rel=1e-5)


def test_the_posterior_is_float32_and_its_log_variance_bounded():
    moments = np.array([[1.0, 6e4], [0.5, -6e4], [0.25, 1.0]], "float16")
    mean, log_variance = GaussianBottleneck(dtype="mixed_float16").posterior(moments)
    assert mean.dtype == log_variance.dtype == "float32"
    assert np.asarray(mean).ravel().tolist() == [1, 0.5, 0.25]
    expected = [10, -10, 10 * np.tanh(0.1)]
    np.testing.assert_allclose(np.ravel(log_variance), expected, rtol=1e-6)


def test_training_draws_from_the_posterior():
    moments = np.tile(np.array([[1.5, -2.0, 1.0, -3.0]], "float32"), (20_000, 1))
    layer = GaussianBottleneck(seed=1)
    drawn = np.asarray(layer(moments, training=True))
    variance = np.exp(10 * np.tanh(np.array([1.0, -3.0]) / 10))
    np.testing.assert_allclose(drawn.mean(0), [1.5, -2.0], atol=0.04)
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.04)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03
    again = np.asarray(layer(moments, training=True))
    assert np.abs(again - drawn).max() > 1
    same = np.asarray(GaussianBottleneck(seed=1)(moments, training=True))
    np.testing.assert_array_equal(same, drawn)


def test_the_gradient_reaches_mean_and_variance_through_the_draw():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tapes are TensorFlow's")
    import tensorflow as tf

    moments = tf.constant([[0.5, 1.0]])
    layer = GaussianBottleneck(seed=1)
    with tf.GradientTape() as tape:
        tape.watch(moments)
        latent = layer(moments, training=True)
    to_mean, to_log_variance = np.ravel(tape.gradient(latent, moments))
    assert to_mean == 1
    # z = m + exp(v / 2) * noise, so that dz / dv = (z - m) / 2 times the clamp's slope.
    slope = 1 - np.tanh(0.1) ** 2
    assert to_log_variance == pytest.approx((float(latent[0, 0]) - 0.5) / 2 * slope)

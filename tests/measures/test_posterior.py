import keras
import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo import models
from vqzoo.measures import measure
from vqzoo.measures.posterior import beside, sample


def test_draws_of_a_linear_decoder_have_the_posterior_worked_by_hand():
    # z ~ N(0, 1) and x = 2 z + noise of deviation 0.5: mean x / (2 + 1 / 8), variance
    # 1 / 17.
    observed = np.array([[1.0], [-3.0]], "float32")

    def log_prob(z):
        error = keras.ops.sum((observed - 2 * z) ** 2, axis=-1) / 0.25
        return -0.5 * (error + keras.ops.sum(z**2, axis=-1))

    draws, accepted = sample(log_prob, np.zeros((2, 1)), num_draws=300, seed=1)
    assert draws.shape == (300, 2, 1) and (accepted > 0.5).all()
    np.testing.assert_allclose(draws.mean(axis=0), observed * 8 / 17, atol=0.06)
    np.testing.assert_allclose(draws.std(axis=0), 17**-0.5, rtol=0.25)


def test_an_encoder_is_held_against_the_draws():
    draws = np.random.default_rng(0).normal(1.0, 0.5, (4000, 1, 2))
    right = beside(draws, np.ones((1, 2)), np.full((1, 2), 0.5))
    assert right["distance"] < 0.05
    assert right["width"] == pytest.approx(1, abs=0.05)
    wrong = beside(draws, np.full((1, 2), 2.0), np.full((1, 2), 0.25))
    assert wrong["distance"] == pytest.approx(2, abs=0.1)
    assert wrong["width"] == pytest.approx(0.5, abs=0.03)


def test_a_report_has_it_of_a_vae_alone():
    model = models.VAE(
        image_shape=(16, 16, 3),
        latent_dim=5,
        stride=4,
        num_channels=8,
        residual_channels=4,
        num_residual_blocks=1,
    )
    (section,) = measure(small.subject_of(model), ["posterior"])
    assert set(section.metrics) >= {"distance", "width", "accepted"}
    assert section.metrics["encoder_error"] > 0
    (section,) = measure(small.subject_of(), ["posterior"])
    (reason,) = section.skipped.values()
    assert "no likelihood" in reason

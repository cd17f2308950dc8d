import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GaussianCorruption

CASES = [
    Case(
        "GaussianCorruption",
        lambda: GaussianCorruption(0.3, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: GaussianCorruption(-0.1), "at least 0, received stddev=-0.1"),
    (lambda: GaussianCorruption(float("nan")), "received stddev=nan"),
]

IMAGES = np.full((20, 8, 8, 3), 0.25, "float32")


def test_training_adds_noise_and_inference_does_not():
    layer = GaussianCorruption(0.1, seed=1)
    noise = ops.convert_to_numpy(layer(IMAGES, training=True)) - IMAGES
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)


def test_every_call_draws_anew_and_equal_seeds_draw_alike():
    layer, twin = GaussianCorruption(0.1, seed=1), GaussianCorruption(0.1, seed=1)
    calls = [ops.convert_to_numpy(layer(IMAGES, training=True)) for _ in range(2)]
    assert (calls[0] != calls[1]).all(axis=(1, 2, 3)).any()
    for expected in calls:
        np.testing.assert_array_equal(twin(IMAGES, training=True), expected)

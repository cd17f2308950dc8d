import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import PixelNormalization

CASES = [
    Case(
        "PixelNormalization", lambda: PixelNormalization(), (random_floats(3, 2, 3, 2),)
    ),
]
REFUSED = [
    (lambda: PixelNormalization(0.0), "epsilon=0.0"),
]


def test_each_place_has_a_mean_square_of_one():
    inputs = 7 * np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    outputs = PixelNormalization()(inputs).numpy()
    np.testing.assert_allclose((outputs**2).mean(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        outputs / outputs[..., :1], inputs / inputs[..., :1], rtol=1e-4
    )


def test_zero_stays_zero():
    zeros = np.zeros((1, 4), "float32")
    assert np.array_equal(PixelNormalization()(zeros), zeros)

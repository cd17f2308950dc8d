import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import BinaryMapper

CASES = [
    Case(
        "BinaryMapper",
        lambda: BinaryMapper(2, 2, free_bits=0.1, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: BinaryMapper(13, 2), "from 1 to 12, received num_bits=13"),
    (lambda: BinaryMapper(2, 2, free_bits=-1), "free_bits=-1"),
]


def mapper(**options):
    layer = BinaryMapper(2, 2, seed=0, **options)
    layer.build((None, 2))
    layer.kernel.assign(np.eye(2))
    layer.codebook.assign([[0, 0], [1, 0], [0, 2], [1, 2]])
    return layer


def test_the_likelier_bits_are_the_code_at_inference():
    layer = mapper()
    latents = np.array([[3, -1], [-2, 1], [1, 1]], "float32")
    assert layer.encode(latents).numpy().tolist() == [1, 2, 3]
    np.testing.assert_array_equal(layer(latents), [[1, 0], [0, 2], [1, 2]])


def test_bits_are_drawn_with_their_probabilities_and_gradients_are_those_of_all_codes():
    layer = mapper()
    latents = tf.constant(np.tile([[1.0, -1.0]], (4000, 1)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
        total = tf.reduce_sum(outputs)
    p = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(
        outputs.numpy().mean(axis=0), [p, 2 * (1 - p)], atol=0.04
    )
    # The mean vector is (p1, 2 p2), whose slopes are p (1 - p) and twice that.
    slopes = tape.gradient(total, latents).numpy()[0]
    np.testing.assert_allclose(slopes, p * (1 - p) * np.array([1, 2]), rtol=1e-4)


def test_what_is_said_beyond_the_free_bits_costs():
    latents = np.array([[20.0, 0.0], [20.0, -20.0]], "float32")
    for free, expected in ((0.0, 1.5), (1.0, 0.5), (2.0, 0.0)):
        terms = mapper(free_bits=free).loss_terms(latents)
        divergence = float(terms["divergence"]) / np.log(2)
        assert divergence == pytest.approx(expected, abs=1e-4)

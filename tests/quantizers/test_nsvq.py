import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.helpers import four_codes
from tests.helpers.case import Case, random_floats, uniform
from tests.helpers.four_codes import CODEBOOK, CODES, LATENTS
from vqzoo.layers import NSVQ, NoisyAssignment

CASES = [
    Case(
        "NSVQ",
        lambda: NSVQ(4, 2, codebook_init=uniform(), seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "NSVQ-data-start",
        lambda: NSVQ(4, 2, decay=0.5, restart_threshold=0.0, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: NSVQ(0, 2), "num_embeddings=0"),
    (lambda: NSVQ(4, 2.0), "embedding_dim=2.0"),
    (lambda: NSVQ(4, 2, decay=1.0), r"decay in \[0, 1\), received decay=1.0"),
    (lambda: NSVQ(4, 2, restart_threshold=-0.1), "restart_threshold=-0.1"),
    (lambda: NSVQ(4, 2, assignment=NoisyAssignment(1.0)), "assignment=None"),
]
ERRORS = np.array([0.5, 0.5, 1, 0.5**0.5])


def quantizer(**options):
    layer = NSVQ(4, 2, codebook_init="zeros", **options)
    layer.build(LATENTS.shape)
    layer.codebook_start.assign(CODEBOOK)
    return layer


@pytest.fixture
def steep(monkeypatch):
    """Every noise vector is (3, 4), of the direction (0.6, 0.8)."""

    def normal(shape, seed):
        return ops.broadcast_to(np.array([3.0, 4.0], "float32"), shape)

    monkeypatch.setattr(keras.random, "normal", normal)


def test_training_puts_noise_of_the_errors_length_in_its_place(steep):
    outputs = quantizer(restart_threshold=0.0)(LATENTS, training=True)
    expected = LATENTS + ERRORS[:, None] * [0.6, 0.8]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_the_noise_has_all_directions_and_the_errors_length():
    latents = np.tile(LATENTS[2], (500, 1))
    steps = np.asarray(quantizer(seed=1)(latents, training=True)) - latents
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 1.0, atol=1e-5)
    assert np.abs(steps.mean(axis=0)).max() < 0.15


def test_the_gradient_reaches_latents_and_codes(steep):
    layer, latents = quantizer(restart_threshold=0.0), tf.Variable(LATENTS)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(latents, training=True))
    to_latents, to_codes = tape.gradient(total, [latents, layer.codebook_offset.value])
    # A code farther away by one moves the output by (0.6, 0.8), the sum by 1.4.
    away = (CODEBOOK[CODES] - LATENTS) / ERRORS[:, None]
    np.testing.assert_allclose(to_latents, 1 - 1.4 * away, atol=1e-5)
    expected = np.zeros((4, 2))
    np.add.at(expected, CODES, 1.4 * away)
    np.testing.assert_allclose(to_codes, expected, atol=1e-5)
    assert expected[0].tolist() == [-1.4, 0.0] and expected[2].tolist() == [0, 0]


def test_inference_takes_the_nearest_code_and_has_no_loss():
    layer = quantizer()
    four_codes.check_inference_takes_the_nearest_code_and_has_no_loss(layer)


def test_the_unused_code_goes_beside_a_used_one():
    layer = quantizer(decay=0.0, restart_threshold=0.5, seed=1)
    four_codes.check_the_unused_code_goes_beside_a_used_one(layer)
    assert ops.convert_to_numpy(layer.ema_counts).tolist() == [1, 2, 1, 1]

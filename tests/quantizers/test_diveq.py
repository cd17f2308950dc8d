import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.helpers import four_codes
from tests.helpers.case import Case, random_floats, uniform
from tests.helpers.four_codes import CODEBOOK, CODES, LATENTS, NextCode
from vqzoo.layers import DiVeQ, NoisyAssignment

CASES = [
    Case(
        "DiVeQ",
        lambda: DiVeQ(4, 2, codebook_init=uniform(), seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "DiVeQ-noisy-data-start",
        lambda: DiVeQ(
            4,
            2,
            restart_threshold=0.0,
            assignment=NoisyAssignment(1.0, seed=2),
            seed=1,
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: DiVeQ(4, 0), "embedding_dim=0"),
    (lambda: DiVeQ(4, 2, variance=-1.0), "variance to be at least 0.*variance=-1.0"),
    (lambda: DiVeQ(4, 2, decay=1.5), r"decay in \[0, 1\), received decay=1.5"),
    (lambda: DiVeQ(4, 2, restart_threshold=1), "restart_threshold=1"),
]


def quantizer(**options):
    options = {"restart_threshold": 0.0, "codebook_init": "zeros", **options}
    layer = DiVeQ(4, 2, **options)
    layer.build(LATENTS.shape)
    layer.codebook_start.assign(CODEBOOK)
    return layer


NOISE = [[0.3, -0.1], [-0.2, 0.4], [0.1, 0.1], [-0.4, 0.2]]
# What `diveq` 0.1.3, the authors' package, gives for this noise, and the gradients of
# the sum of its outputs times (1, 2).
OUTPUTS = [
    [0.05278644, -0.22360681],
    [1.89153481, -0.01190647],
    [2.11043143, 2.00611639],
    [1.72360682, -0.17082036],
]
TO_LATENTS = [
    [-0.78885436, 2.0],
    [1.0, 0.26455641],
    [1.0, 0.12266409],
    [2.11803389, 0.88196599],
]
TO_CODES = [[1.78885436, 0.0], [-1.11803401, 2.85347748], [0.0, 0.0], [0.0, 1.87733591]]


def test_outputs_and_gradients_are_those_of_the_authors(monkeypatch):
    def normal(shape, seed):
        return ops.reshape(np.array(NOISE, "float32"), (-1, 2))[: shape[0]]

    monkeypatch.setattr(keras.random, "normal", normal)
    layer, latents = quantizer(variance=1.0), tf.Variable(LATENTS)
    with tf.GradientTape() as tape:
        outputs = layer(latents, training=True)
        total = tf.reduce_sum(outputs * [1.0, 2.0])
    np.testing.assert_allclose(outputs, OUTPUTS, atol=1e-6)
    weights = [latents, layer.codebook_offset.value]
    to_latents, to_codes = tape.gradient(total, weights)
    np.testing.assert_allclose(to_latents, TO_LATENTS, atol=1e-5)
    np.testing.assert_allclose(to_codes, TO_CODES, atol=1e-5)


def test_without_noise_the_decoder_receives_the_code():
    outputs = quantizer(variance=0.0)(LATENTS, training=True)
    np.testing.assert_allclose(outputs, CODEBOOK[CODES], atol=1e-6)


@pytest.mark.parametrize("variance", [1e-3, 1e-1])
def test_the_noise_turns_the_error_by_its_deviation_and_keeps_its_length(variance):
    latents = np.tile(LATENTS[2], (2000, 1))
    outputs = np.asarray(quantizer(variance=variance, seed=1)(latents, training=True))
    np.testing.assert_allclose(np.linalg.norm(outputs - latents, axis=1), 1, atol=1e-5)
    # The error is (0, -1): across it the direction has about the noise's deviation.
    across = (outputs - CODEBOOK[3])[:, 0]
    assert across.std() == pytest.approx(variance**0.5, rel=0.1)


def test_the_assigned_code_is_received_and_the_nearest_is_counted():
    layer = quantizer(variance=0.0, decay=0.0, assignment=NextCode())
    outputs = layer(LATENTS[:, None], training=True)[:, 0]
    np.testing.assert_allclose(outputs, np.roll(CODEBOOK, -1, axis=0)[CODES], atol=1e-6)
    assert ops.convert_to_numpy(layer.ema_counts).tolist() == [1, 2, 0, 1]


def test_inference_takes_the_nearest_code_and_has_no_loss():
    layer = quantizer(variance=0.5)
    four_codes.check_inference_takes_the_nearest_code_and_has_no_loss(layer)


def test_the_unused_code_goes_beside_a_used_one():
    layer = quantizer(decay=0.0, restart_threshold=0.5, seed=1)
    four_codes.check_the_unused_code_goes_beside_a_used_one(layer)

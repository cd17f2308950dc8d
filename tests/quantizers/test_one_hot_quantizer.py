import numpy as np
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import NoisyAssignment
from vqzoo.quantizers import OneHotQuantizer

CASES = [
    Case(
        "OneHotQuantizer",
        lambda: OneHotQuantizer(4, annealing_steps=3, seed=1),
        (random_floats(3, 2, 3, 4),),
        random=True,
    ),
]
REFUSED = [
    (lambda: OneHotQuantizer(4.0), "num_embeddings=4.0"),
    (lambda: OneHotQuantizer(4, temperature=-1.0), "temperature=-1.0"),
    (lambda: OneHotQuantizer(4, annealing_steps=0), "annealing_steps=0"),
    (lambda: OneHotQuantizer(4, divergence_cost=-1), "_cost=-1"),
    (
        lambda: OneHotQuantizer(4, assignment=NoisyAssignment()),
        "no chosen code.*NoisyAssignment",
    ),
]
LOGITS = np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 9.0]], "float32")


def test_the_likeliest_code_is_handed_on_one_hot():
    layer = OneHotQuantizer(3)
    given = ops.convert_to_numpy(layer(LOGITS))
    np.testing.assert_array_equal(given, [[1, 0, 0], [0, 0, 1]])
    codes = layer.encode(LOGITS)
    np.testing.assert_array_equal(ops.convert_to_numpy(codes), [0, 2])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.decode(codes)), given)


def test_training_draws_by_probability_and_the_sample_hardens():
    layer = OneHotQuantizer(3, temperature=1e-3, final_temperature=1e-3, seed=0)
    rows = np.tile(LOGITS[:1], (4000, 1))
    drawn = ops.convert_to_numpy(layer(rows, training=True))
    assert drawn.max(axis=1).mean() > 0.99
    shares = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    np.testing.assert_allclose(drawn.mean(axis=0), shares, atol=0.03)
    assert float(layer.steps) == 1
    layer.temperature = layer.final_temperature = 1e3
    soft = ops.convert_to_numpy(layer(rows, training=True))
    np.testing.assert_allclose(soft, 1 / 3, atol=0.02)


def test_the_loss_is_the_divergence_from_equal_probabilities():
    layer = OneHotQuantizer(3, divergence_cost=0.5)
    layer(LOGITS)
    q = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    expected = (q * np.log(3 * q)).sum(axis=1).mean()
    np.testing.assert_allclose(float(layer.losses[0]), 0.5 * expected, rtol=1e-5)

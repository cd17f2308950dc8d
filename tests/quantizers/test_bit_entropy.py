import itertools

import numpy as np
import pytest
import tensorflow as tf

from vqzoo.quantizers.bit_entropy import mixture_entropy, row_entropy

LOGITS = np.random.default_rng(0).normal(scale=2, size=(40, 5)).astype("float32")


def table(logits):
    """Probabilities of all codes by a softmax over their scores, N x K."""
    corners = np.array(list(itertools.product([-1, 1], repeat=logits.shape[1])))
    scores = np.exp(logits.astype("float64") @ corners.T / 2)
    return scores / scores.sum(axis=1, keepdims=True)


def entropy(probabilities):
    return -(probabilities * np.log(probabilities)).sum(axis=-1)


def test_the_entropy_of_each_is_that_of_the_whole_table():
    expected = entropy(table(LOGITS)).mean()
    assert float(row_entropy(LOGITS)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("num_bits", [1, 2, 3, 5])
@pytest.mark.parametrize("group_bits", [5, 10])
def test_the_entropy_of_the_mean_is_that_of_the_whole_table(num_bits, group_bits):
    logits = LOGITS[:, :num_bits]
    expected = entropy(table(logits).mean(axis=0))
    assert float(mixture_entropy(logits, group_bits)) == pytest.approx(expected, 1e-5)


def test_groups_have_the_sum_of_their_entropies_and_one_bit_the_marginals():
    parts = (LOGITS[:, :1], LOGITS[:, 1:3], LOGITS[:, 3:])
    in_pairs = sum(entropy(table(part).mean(axis=0)) for part in parts)
    assert float(mixture_entropy(LOGITS, 2)) == pytest.approx(in_pairs, rel=1e-5)
    p = (1 / (1 + np.exp(-LOGITS.astype("float64")))).mean(axis=0)
    marginals = entropy(np.stack([p, 1 - p], axis=-1)).sum()
    assert float(mixture_entropy(LOGITS, 1)) == pytest.approx(marginals, rel=1e-5)
    assert marginals > in_pairs > float(mixture_entropy(LOGITS, 5))


def test_bits_that_always_agree_have_half_the_entropy_of_their_marginals():
    logits = np.array([[50, 50], [-50, -50]], "float32")
    assert float(mixture_entropy(logits, 2)) == pytest.approx(np.log(2))
    assert float(mixture_entropy(logits, 1)) == pytest.approx(2 * np.log(2))
    assert float(row_entropy(logits)) == pytest.approx(0, abs=1e-6)


def test_collapsed_uniform_and_undecided_codes_are_the_extremes():
    corners = np.array(list(itertools.product([-50, 50], repeat=4)), "float32")
    most = 4 * np.log(2)
    for logits, single, joint in (
        (np.full((6, 4), 50, "float32"), 0, 0),
        (corners, 0, most),
        (np.zeros((6, 4), "float32"), most, most),
    ):
        assert float(row_entropy(logits)) == pytest.approx(single, abs=1e-6)
        assert float(mixture_entropy(logits, 4)) == pytest.approx(joint, abs=1e-6)


def test_gradients_of_both_entropies_are_those_of_the_whole_table():
    logits = tf.constant(LOGITS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        each, mean = row_entropy(logits), mixture_entropy(logits, 5)
    for function, value in (
        (lambda x: entropy(table(x)).mean(), each),
        (lambda x: entropy(table(x).mean(axis=0)), mean),
    ):
        gradient = tape.gradient(value, logits).numpy()
        for row, bit in ((0, 0), (7, 3), (39, 4)):
            step = np.zeros(LOGITS.shape)
            step[row, bit] = 1e-4
            slope = (function(LOGITS + step) - function(LOGITS - step)) / 2e-4
            assert gradient[row, bit] == pytest.approx(slope, rel=1e-2, abs=1e-6)


@pytest.mark.parametrize("size", [0.0, 1e4])
def test_gradients_are_finite_for_undecided_and_for_certain_bits(size):
    logits = tf.constant(size * np.sign(LOGITS))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = row_entropy(logits) - mixture_entropy(logits, 3)
    assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


def test_twenty_four_bits_in_groups_of_twelve_are_counted_without_their_table():
    logits = np.zeros((64, 24), "float32")
    assert float(mixture_entropy(logits, 12)) == pytest.approx(24 * np.log(2), 1e-5)

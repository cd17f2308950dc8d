import numpy as np
import pytest
import tensorflow as tf

from vqzoo.quantizers import soft_codes


def batch(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(soft_codes, "_SCORES_PER_BLOCK", 40)
    monkeypatch.setattr(soft_codes, "_MIN_ROWS_PER_BLOCK", 1)


def weighted(rows, valid, index, codebook):
    p = tf.nn.softmax(-soft_codes.squared_distances(rows, codebook))
    heights = tf.reduce_sum(valid) + 0.0 * tf.reduce_sum(rows)
    return (p @ codebook, p[:, :1]), (tf.reduce_sum(valid * p, axis=0), heights)


def dense(rows, codebook):
    """The same and its gradient, in one piece, in float64."""
    rows, codebook = (tf.constant(x, "float64") for x in (rows, codebook))
    with tf.GradientTape() as tape:
        tape.watch([rows, codebook])
        squares = tf.square(rows[:, None] - codebook[None])
        p = tf.nn.softmax(-tf.reduce_sum(squares, axis=2))
        loss = tf.reduce_sum(tf.sin(p @ codebook)) + tf.reduce_sum(tf.square(p[:, 0]))
        loss += tf.reduce_sum(tf.square(tf.reduce_sum(p, axis=0)))
    return [p, *tape.gradient(loss, [rows, codebook])]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla", "unknown", "unknown xla"])
@pytest.mark.parametrize("num_rows", [1, 21])
def test_blocks_give_the_values_and_gradients_of_one_piece(
    mode, num_rows, small_blocks
):
    rows, codebook = batch(1, num_rows, 3), batch(2, 5, 3)

    def run(rows, codebook):
        with tf.GradientTape() as tape:
            tape.watch([rows, codebook])
            (mixed, first), (sum_p, height) = soft_codes.over_blocks(
                weighted, rows, (codebook,), 5
            )
            loss = tf.reduce_sum(tf.sin(mixed)) + tf.reduce_sum(tf.square(first))
            loss += tf.reduce_sum(tf.square(sum_p))
        gradients = tape.gradient(loss, [rows, codebook])
        return mixed, first[:, 0], sum_p, height, *gradients

    if mode != "eager":
        known = None if "unknown" in mode else num_rows
        signature = [tf.TensorSpec((known, 3)), tf.TensorSpec((5, 3))]
        run = tf.function(run, signature, jit_compile="xla" in mode)
    received = run(tf.constant(rows), tf.constant(codebook))
    p, to_rows, to_codebook = dense(rows, codebook)
    expected = [p @ codebook, p[:, 0], tf.reduce_sum(p, axis=0), num_rows]
    for a, b in zip(received, [*expected, to_rows, to_codebook], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_squared_distances_far_from_the_origin_keep_their_differences():
    rows, codebook = 1000 + batch(1, 6, 4), 1000 + batch(2, 5, 4)
    exact = np.square(rows[:, None].astype("float64") - codebook[None]).sum(-1)
    received = soft_codes.squared_distances(tf.constant(rows), tf.constant(codebook))
    np.testing.assert_allclose(received, exact, rtol=1e-4)


def test_the_unit_is_the_mean_squared_distance_to_the_nearest_code():
    rows = tf.constant([[0.0, 0.0], [3.0, 1.0]])
    nearest = tf.constant([[0.0, 2.0], [0.0, 1.0]])
    assert float(soft_codes.distance_unit(rows, nearest)) == pytest.approx(6.5)
    assert float(soft_codes.distance_unit(1e-9 * rows, 1e-9 * nearest)) > 0
    # Latents that lie on their codes: a millionth of their squares, (0 + 10) / 2.
    assert float(soft_codes.distance_unit(rows, rows)) == pytest.approx(5e-6)
    assert float(soft_codes.distance_unit(0 * rows, 0 * rows)) > 0


def test_the_entropy_of_the_mean_and_its_gradient():
    logits = tf.constant(batch(1, 4, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        sums = tf.reduce_sum(tf.nn.softmax(logits), axis=0)
        received = soft_codes.mixture_entropy(sums, tf.constant(4.0))
        mean = sums / 4
        expected = -tf.reduce_sum(mean * tf.math.log(mean))
    assert float(received) == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(
        tape.gradient(received, logits), tape.gradient(expected, logits), atol=1e-7
    )
    assert (
        float(soft_codes.mixture_entropy(tf.constant([1.0, 0.0]), tf.constant(1.0)))
        == 0
    )

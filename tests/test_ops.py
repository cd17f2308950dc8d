import keras
import numpy as np
import pytest
import tensorflow as tf

from vqzoo import ops

CODEBOOK = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], "float32")


def brute_force(latents, codebook):
    latents, codebook = latents.astype("float64"), codebook.astype("float64")
    return np.square(latents[:, None] - codebook[None]).sum(-1).argmin(1)


def random_pair(num_rows, num_codes, dim):
    generator = np.random.default_rng(num_rows + num_codes)
    latents = generator.normal(size=(num_rows, dim)).astype("float32")
    codebook = generator.normal(size=(num_codes, dim)).astype("float32")
    return latents, codebook


def test_nearest_code_of_points_in_the_four_quadrants():
    latents = np.array(
        [[0.1, -5], [3, 0.9], [0.9, 1.1], [1.1, 1.2], [1.01, 0.9]], "float32"
    )
    codes = ops.nearest_code(latents, CODEBOOK)
    assert codes.dtype == "int32"
    assert codes.numpy().tolist() == [0, 1, 2, 3, 1]


def test_ties_go_to_the_lowest_index():
    latents = np.array([[1, 1], [1, 0], [0, 1], [2, 1]], "float32")
    assert ops.nearest_code(latents, CODEBOOK).numpy().tolist() == [0, 0, 0, 1]
    repeated = np.ones((4, 2), "float32")
    assert ops.nearest_code(latents, repeated).numpy().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("num_rows", "num_codes", "dim"),
    [(1, 1, 1), (300, 20_000, 3), (4097, 300, 4), (1000, 8192, 2)],
)
def test_nearest_code_agrees_with_brute_force(num_rows, num_codes, dim):
    latents, codebook = random_pair(num_rows, num_codes, dim)
    expected = np.concatenate(
        [brute_force(part, codebook) for part in np.array_split(latents, 10)]
    )
    codes = ops.nearest_code(latents, codebook).numpy()
    # float32 may choose the other of two codes which are equally near.
    chosen, best = codebook[codes], codebook[expected]
    excess = np.square(latents - chosen).sum(1) - np.square(latents - best).sum(1)
    assert np.mean(codes == expected) > 0.999
    assert excess.max() < 1e-5


@pytest.mark.parametrize("num_rows", [1, 127, 128, 129, 256, 300, 1025])
def test_blocks_change_no_code(num_rows, monkeypatch):
    latents, codebook = random_pair(num_rows, 16, 3)
    direct = ops.nearest_code(latents, codebook).numpy()
    monkeypatch.setattr(ops, "_SCORES_PER_BLOCK", 1)  # blocks of 128 rows
    blocks = ops.nearest_code(latents, codebook).numpy()
    assert blocks.tolist() == direct.tolist() == brute_force(latents, codebook).tolist()


def test_a_batch_of_unknown_size_gives_the_same_codes():
    codebook = random_pair(1, 16, 3)[1]

    @tf.function(input_signature=[tf.TensorSpec((None, 3), "float32")])
    def compiled(latents):
        return ops.nearest_code(latents, codebook)

    for num_rows in (1, 5, 70_000):
        latents = random_pair(num_rows, 16, 3)[0]
        direct = ops.nearest_code(latents, codebook).numpy()
        assert compiled(latents).numpy().tolist() == direct.tolist()
    assert compiled(np.zeros((0, 3), "float32")).numpy().tolist() == []


def test_distances_are_measured_in_float32():
    codebook = np.array([[1.0], [1.0001]], "float32")  # one number in float16
    latents = np.array([[2.0], [0.0]], "float16")
    assert ops.nearest_code(latents, codebook).numpy().tolist() == [1, 0]


def test_straight_through_gives_the_quantized_values_to_the_bit():
    latents, quantized = random_pair(1000, 1000, 3)
    result = ops.straight_through(latents, quantized).numpy()
    np.testing.assert_array_equal(result, quantized)


def test_the_straight_through_gradient_is_the_identity():
    latents, quantized = (tf.constant(x) for x in random_pair(5, 5, 3))
    upstream = np.arange(15, dtype="float32").reshape(5, 3)
    with tf.GradientTape() as tape:
        tape.watch([latents, quantized])
        loss = tf.reduce_sum(ops.straight_through(latents, quantized) * upstream)
    to_latents, to_quantized = tape.gradient(loss, [latents, quantized])
    np.testing.assert_array_equal(to_latents, upstream)
    assert to_quantized is None


def test_code_statistics_of_five_latents():
    latents = np.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], "float32")
    codes = np.array([2, 0, 2, 2, 0], "int32")
    counts, sums = ops.code_statistics(latents, codes, 4)
    assert counts.numpy().tolist() == [2, 0, 3, 0]
    assert sums.numpy().tolist() == [[12, 14], [0, 0], [13, 16], [0, 0]]


def main_axis_order(rows, *args):
    return ops.main_axis_order(keras.ops.convert_to_tensor(rows), *args).numpy()


def test_the_order_is_that_along_the_axis_of_largest_variance():
    generator = np.random.default_rng(0)
    main = generator.normal(size=(200, 1)) * np.array([[3.0, -4.0, 0.0]])
    rows = (main + 0.01 * generator.normal(size=(200, 3)) + 7).astype("float32")
    order = main_axis_order(rows)
    steps = np.diff(rows[order] @ np.array([0.6, -0.8, 0.0]))
    assert (steps > -0.1).all() or (steps < 0.1).all()
    np.testing.assert_array_equal(np.sort(order), np.arange(200))


def test_rows_in_order_are_not_reversed_and_a_swap_is_mended():
    rows = np.outer(np.arange(9.0), [-1.0, 2.0]).astype("float32")
    np.testing.assert_array_equal(main_axis_order(rows), np.arange(9))
    np.testing.assert_array_equal(main_axis_order(rows[::-1]), np.arange(9))
    swapped = rows[[0, 1, 3, 2, 4, 5, 6, 7, 8]]
    assert main_axis_order(swapped).tolist() == [0, 1, 3, 2, 4, 5, 6, 7, 8]


def test_the_main_axis_is_that_of_a_singular_value_decomposition():
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(64, 8)).astype("float32") * 2.0 ** -np.arange(8)
    rows = rows.astype("float32")
    centered = rows - rows.mean(0)
    axis = np.linalg.svd(centered)[2][0]
    places = centered[main_axis_order(rows, 50)] @ axis
    places = places if places[0] < places[-1] else -places
    np.testing.assert_allclose(places, np.sort(places), atol=1e-4)


def test_equal_rows_stay_in_their_order():
    assert main_axis_order(np.ones((5, 3), "float32")).tolist() == [0, 1, 2, 3, 4]


def test_the_rotation_trick_gives_the_code_and_the_rotated_gradient():
    latents = np.array([[2, 0], [0, 3]], "float32")
    quantized = np.array([[0, 1], [1, 1]], "float32")
    upstream = np.array([[1, 0], [0, 1]], "float32")
    variable = tf.Variable(latents)
    with tf.GradientTape() as tape:
        outputs = ops.rotation_trick(variable, quantized)
        loss = tf.reduce_sum(outputs * upstream)
    np.testing.assert_array_equal(outputs, quantized)
    # Row 0: (2, 0) -> (0, 1) is a quarter turn at half the length: the transposed map
    # takes (1, 0) to (0, -1/2). Row 1: (0, 3) -> (1, 1) turns by 45 degrees clockwise
    # at sqrt(2) / 3 of the length, and back takes (0, 1) to (-1, 1) / 3.
    expected = [[0, -0.5], [-1 / 3, 1 / 3]]
    np.testing.assert_allclose(tape.gradient(loss, variable), expected, atol=1e-6)


def test_the_rotation_trick_equals_a_householder_product_in_five_dimensions():
    latents, quantized = random_pair(6, 6, 5)
    upstream = np.random.default_rng(3).normal(size=(6, 5)).astype("float32")
    variable = tf.Variable(latents)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ops.rotation_trick(variable, quantized) * upstream)
    expected = []
    for z, q, g in zip(latents.astype("float64"), quantized, upstream):
        a, b = z / np.linalg.norm(z), q / np.linalg.norm(q)
        r = (a + b) / np.linalg.norm(a + b)
        rotation = np.eye(5) - 2 * np.outer(r, r) + 2 * np.outer(b, a)
        np.testing.assert_allclose(rotation @ a, b, atol=1e-6)
        expected.append(np.linalg.norm(q) / np.linalg.norm(z) * rotation.T @ g)
    np.testing.assert_allclose(tape.gradient(loss, variable), expected, rtol=1e-4)


def test_the_rotation_of_a_zero_vector_is_finite():
    variable = tf.Variable(np.zeros((2, 3), "float32"))
    with tf.GradientTape() as tape:
        outputs = ops.rotation_trick(variable, np.zeros((2, 3), "float32"))
        loss = tf.reduce_sum(outputs)
    assert np.isfinite(tape.gradient(loss, variable)).all()


def test_unit_norm_of_known_vectors():
    vectors = np.array([[3, 4], [0, -2], [0, 0]], "float32")
    expected = [[0.6, 0.8], [0, -1], [0, 0]]
    np.testing.assert_allclose(ops.unit_norm(vectors), expected, rtol=1e-6)


@pytest.mark.parametrize("num_rows", [4000, 40_000])
def test_drawn_codes_follow_the_softmax_of_the_distances(num_rows, monkeypatch):
    monkeypatch.setattr(ops, "_SCORES_PER_BLOCK", 2**16)
    latents = np.tile(np.array([[0.5, 0.2]], "float32"), (num_rows, 1))
    seed = keras.random.SeedGenerator(1)
    codes = ops.sample_code(latents, CODEBOOK, 2.0, seed).numpy()
    scores = np.exp(-np.square(latents[0] - CODEBOOK).sum(-1) / 2.0)
    counts = np.bincount(codes, minlength=4)
    expected = scores / scores.sum()
    np.testing.assert_allclose(counts / num_rows, expected, atol=3 / num_rows**0.5)


def test_a_low_temperature_draws_the_nearest_code():
    latents, codebook = random_pair(300, 7, 3)
    codes = ops.sample_code(latents, codebook, 1e-8, keras.random.SeedGenerator(1))
    np.testing.assert_array_equal(codes, brute_force(latents, codebook))


def entropies(latents, codebook):
    """Entropy of each assignment and of their mean, in float64."""
    distances = np.square(latents[:, None] - codebook[None].astype("float64")).sum(-1)
    scores = np.exp(-distances / distances.min(1).mean())
    p = scores / scores.sum(1, keepdims=True)
    mean = p.mean(0)
    return -(p * np.log(p)).sum(1).mean(), -(mean * np.log(mean)).sum()


def test_assignment_entropies_equal_the_formula():
    latents, codebook = random_pair(40, 6, 3)
    expected = entropies(latents, codebook)
    received = ops.assignment_entropy(latents, codebook)
    np.testing.assert_allclose(received, expected, rtol=1e-4)
    thinned = ops.assignment_entropy(latents, codebook, max_latents=10)
    np.testing.assert_allclose(thinned, entropies(latents[::4], codebook), rtol=1e-4)


def test_assignment_entropies_do_not_change_with_the_scale():
    latents, codebook = random_pair(40, 6, 3)
    once = ops.assignment_entropy(latents, codebook)
    scaled = ops.assignment_entropy(100 * latents, 100 * codebook)
    np.testing.assert_allclose(scaled, once, rtol=1e-4)


def test_k_means_finds_two_clusters_and_leaves_an_idle_center():
    rows = np.array([[0, 0], [0, 2], [10, 0], [10, 4]], "float32")
    start = np.array([[1, 1], [9, 1], [50, 50]], "float32")
    centers = ops.k_means(keras.ops.convert_to_tensor(rows), start, 3)
    assert centers.numpy().tolist() == [[0, 1], [10, 2], [50, 50]]


def test_put_at_changes_one_index_of_an_axis_and_nothing_else():
    array = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    for axis, index in ((0, 1), (1, 2), (2, 0)):
        value = -np.ones(np.delete(array.shape, axis), "float32")
        expected = array.copy()
        np.moveaxis(expected, axis, 0)[index] = -1
        np.testing.assert_array_equal(ops.put_at(array, value, index, axis), expected)
    np.testing.assert_array_equal(ops.put_at(array, np.zeros((2, 4)), 9, 1), array)

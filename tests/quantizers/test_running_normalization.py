import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import RunningNormalization

CASES = [
    Case(
        "RunningNormalization",
        lambda: RunningNormalization(),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: RunningNormalization(decay=1.0), r"\[0, 1\), received decay=1.0"),
    (lambda: RunningNormalization(epsilon=0.0), "above 0.*epsilon=0.0"),
]


def batches(num_batches, *shape):
    generator = np.random.default_rng(0)
    scale = np.array([1, 10, 0.1])
    return [
        (generator.normal(size=(*shape, 3)) * scale + [5, -3, i]).astype("float32")
        for i in range(num_batches)
    ]


def fed(data, **options):
    layer = RunningNormalization(**options)
    for batch in data:
        layer(batch, training=True)
    return layer


def test_two_batches_of_two_numbers_by_hand():
    layer = RunningNormalization(epsilon=1e-12)
    first = layer(np.array([[1.0], [3.0]], "float32"), training=True)
    # Mean 2, variance 1.
    assert ops.convert_to_numpy(first).ravel().tolist() == pytest.approx([-1, 1])
    second = layer(np.array([[4.0], [8.0]], "float32"), training=True)
    # 1, 3, 4 and 8 together: mean 4, variance (9 + 1 + 0 + 16) / 4.
    assert float(layer.mean[0]) == pytest.approx(4)
    assert float(layer.variance[0]) == pytest.approx(6.5)
    assert float(layer.batches) == 2
    expected = [0, 4 / np.sqrt(6.5)]
    assert ops.convert_to_numpy(second).ravel().tolist() == pytest.approx(expected)


def test_early_statistics_are_those_of_all_data():
    data = batches(7, 4, 2, 5)
    layer = fed(data, decay=0.99)
    rows = np.concatenate(data).reshape(-1, 3).astype("float64")
    np.testing.assert_allclose(layer.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.variance, rows.var(0), rtol=1e-4)


def test_late_statistics_follow_the_data():
    data = batches(6, 50)
    layer = fed(data, decay=0.5)
    # From the second batch on a batch counts one half, and then half as much.
    weights = np.array([1, 1, 2, 4, 8, 16]) / 32
    mean = sum(w * batch.mean(0) for w, batch in zip(weights, data))
    square = sum(w * np.square(batch).mean(0) for w, batch in zip(weights, data))
    np.testing.assert_allclose(layer.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.variance, square - mean**2, rtol=1e-3)


def test_normalized_data_has_mean_0_and_deviation_1_and_can_be_undone():
    (batch,) = batches(1, 6, 4, 4)
    layer = fed([batch])
    normalized = ops.convert_to_numpy(layer(batch))
    np.testing.assert_allclose(normalized.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(normalized.std((0, 1, 2)), 1, rtol=2e-3)
    np.testing.assert_allclose(layer.inverse(normalized), batch, atol=1e-4)


def test_inference_normalizes_by_the_state_and_does_not_move_it():
    layer = fed(batches(3, 10))
    mean, variance = (np.array(v) for v in (layer.mean, layer.variance))
    other = batches(1, 10)[0] + 100
    expected = (other - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(layer(other), expected, rtol=1e-5)
    np.testing.assert_array_equal(layer.mean, mean)


def test_before_any_data_hardly_anything_changes():
    (batch,) = batches(1, 10)
    np.testing.assert_allclose(RunningNormalization()(batch), batch, rtol=1e-5)


def test_equal_values_become_0():
    layer = RunningNormalization()
    same = np.full((4, 3), 7.0, "float32")
    np.testing.assert_array_equal(layer(same, training=True), np.zeros((4, 3)))
    np.testing.assert_array_equal(layer.inverse(np.zeros((4, 3), "float32")), same)

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from tests.helpers.steps import compiled
from vqzoo.layers import KSparse

CASES = [
    Case(
        "KSparse",
        lambda: KSparse(1, inference_factor=2.0),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: KSparse(0), "positive int, received num_active=0"),
    (lambda: KSparse(2.5), "num_active=2.5"),
    (lambda: KSparse(2, inference_factor=0.5), "at least 1.*factor=0.5"),
]

ACTIVATIONS = np.array([[5, -1, 3, 4], [-4, -2, -3, -1]], "float32")


def test_the_two_largest_of_four_stay_by_value_not_by_size():
    kept = ops.convert_to_numpy(KSparse(2)(ACTIVATIONS))
    assert kept.tolist() == [[5, 0, 0, 4], [0, -2, 0, -1]]


@pytest.mark.parametrize("num_active", [1, 7, 30])
@pytest.mark.parametrize("training", [False, True])
def test_exactly_k_stay_in_every_vector(num_active, training):
    activations = np.random.default_rng(0).normal(size=(4, 3, 30)).astype("float32")
    layer = KSparse(num_active)
    kept = ops.convert_to_numpy(layer(activations, training=training))
    assert (kept != 0).sum(-1).tolist() == [[num_active] * 3] * 4
    threshold = np.sort(activations)[..., -num_active][..., None]
    expected = np.where(activations >= threshold, activations, 0)
    np.testing.assert_array_equal(kept, expected)


def test_of_equal_activations_the_first_stay():
    ties = np.array([[1, 2, 1, 1, 2], [7, 7, 7, 7, 7]], "float32")
    kept = ops.convert_to_numpy(KSparse(3)(ties))
    assert kept.tolist() == [[1, 2, 0, 0, 2], [7, 7, 7, 0, 0]]


def test_inference_keeps_alpha_times_k_and_no_more_than_there_are():
    activations = np.arange(1, 9, dtype="float32")[None]
    counts = []
    for factor in (1.0, 1.5, 3.0, 9.0):
        layer = KSparse(2, inference_factor=factor)
        assert (ops.convert_to_numpy(layer(activations, training=True)) != 0).sum() == 2
        counts.append((ops.convert_to_numpy(layer(activations)) != 0).sum())
    assert counts == [2, 3, 6, 8]


def test_the_gradient_reaches_the_kept_alone():
    # One step of descent on sum(kept * (1, 2, 3, 4)) moves the kept by those weights.
    target = -np.array([[1, 2, 3, 4]] * 2, "float32")
    inputs = keras.Input((1,))
    units = keras.layers.Dense(4, use_bias=False, kernel_initializer="zeros")
    model = keras.Model(inputs, KSparse(2)(units(inputs)))
    units.kernel.assign(ACTIVATIONS[:1])
    compiled(
        model,
        keras.optimizers.SGD(1.0),
        lambda true, predicted: -ops.sum(true * predicted, axis=-1),
    )
    model.train_on_batch(np.ones((2, 1), "float32"), target)
    moved = ACTIVATIONS[0] - ops.convert_to_numpy(units.kernel)[0]
    assert moved.tolist() == [1, 0, 0, 4]


def test_more_than_there_are_units_is_refused():
    with pytest.raises(ValueError, match="at most the 4 units.*num_active=5"):
        KSparse(5)(ACTIVATIONS)

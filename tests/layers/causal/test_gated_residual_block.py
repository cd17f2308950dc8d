import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, inputs_of
from vqzoo.layers import GatedResidualBlock

CASES = [
    Case(
        "GatedResidualBlock",
        lambda: GatedResidualBlock(3, 3, dropout=0.2, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: GatedResidualBlock(0, 3), "filters=0"),
    (lambda: GatedResidualBlock(4, 3, dropout=1.0), "dropout=1.0"),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_place_sees_what_two_kernels_reach_of_the_past():
    layer = GatedResidualBlock(6, 3)
    seen = dependencies(layer, inputs_of(1, 6, 5, 4))
    for row, column, from_row, from_column in np.ndindex(seen.shape):
        up, right = row - from_row, from_column - column
        # Each kernel reaches two rows up and one column to each side; a step to the
        # right needs one up.
        expected = 0 <= up <= 4 and -2 <= right <= min(up, 2)
        assert seen[row, column, from_row, from_column] == expected


def test_a_kernel_of_one_gives_the_values_of_the_formula():
    layer = GatedResidualBlock(3, 1)
    inputs, beside, condition = (inputs_of(2, 2, 2, c) for c in (4, 5, 6))
    outputs = layer(inputs, beside, condition).numpy()

    def elu(x):
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)

    first, second = (m.kernel.numpy()[0, 0] for m in (layer.first, layer.second))
    hidden = elu(inputs) @ first + elu(beside) @ layer.of_beside.kernel.numpy()
    hidden = elu(hidden) @ second + condition @ layer.of_condition.kernel.numpy()
    expected = inputs + hidden[..., :4] * sigmoid(hidden[..., 4:])
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_place_by_place_it_gives_the_outputs_of_the_whole(kernel_size):
    layer, inputs = GatedResidualBlock(6, kernel_size), inputs_of(2, 4, 5, 4)
    expected = layer(inputs).numpy()
    assert_steps_give(layer, layer.start(2, 5), inputs, expected)


def test_dropout_is_of_training_alone():
    layer, inputs = (
        GatedResidualBlock(64, 1, dropout=0.5, seed=0),
        inputs_of(2, 4, 4, 8),
    )
    whole = layer(inputs).numpy()
    assert np.array_equal(layer(inputs, training=False), whole)
    assert not np.allclose(layer(inputs, training=True), whole, atol=1e-2)

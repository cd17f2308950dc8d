import numpy as np

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, earlier, inputs_of
from vqzoo.layers import DiagonalBiLSTM

CASES = [
    Case("DiagonalBiLSTM", lambda: DiagonalBiLSTM(2), (random_floats(3, 2, 3, 2),)),
]
REFUSED = [
    (lambda: DiagonalBiLSTM(0), "units=0"),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def from_one_side(gates, kernel):
    """The LSTM from the top left, place after place; gates `(height, width, 4h)`."""
    height, width, units = *gates.shape[:2], gates.shape[2] // 4
    hidden, cell = (np.zeros((height + 1, width + 1, units)) for _ in range(2))
    for row, column in np.ndindex(height, width):
        beside, above = hidden[row + 1, column], hidden[row, column + 1]
        now = gates[row, column] + np.concatenate([beside, above]) @ kernel
        out, forget, keep, new = np.split(now, 4)
        cell[row + 1, column + 1] = sigmoid(forget) * cell[row + 1, column]
        cell[row + 1, column + 1] += sigmoid(keep) * np.tanh(new)
        hidden[row + 1, column + 1] = sigmoid(out) * np.tanh(cell[row + 1, column + 1])
    return hidden[1:, 1:]


def test_the_outputs_are_those_of_two_loops_over_places():
    layer, inputs = DiagonalBiLSTM(3), inputs_of(2, 4, 5, 2)
    outputs = layer(inputs).numpy()
    gates = layer.of_inputs(inputs).numpy()
    for each, found in zip(gates, outputs):
        expected = from_one_side(each[..., :12], layer.of_left.kernel.numpy())
        right = from_one_side(each[:, ::-1, 12:], layer.of_right.kernel.numpy())
        expected[1:] += right[:-1, ::-1]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_place_sees_all_places_before_it_and_itself():
    seen = dependencies(DiagonalBiLSTM(3), inputs_of(1, 4, 5, 2))
    np.testing.assert_array_equal(seen, earlier(4, 5, itself=True))


def test_place_by_place_it_gives_the_outputs_of_the_whole():
    layer, inputs = DiagonalBiLSTM(3), inputs_of(2, 4, 5, 2)
    expected = layer(inputs).numpy()
    state = layer.start(2, 5)
    assert_steps_give(layer, state, inputs, expected, begins=False)

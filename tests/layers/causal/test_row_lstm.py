import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, inputs_of
from vqzoo.layers import RowLSTM
from vqzoo.layers.causal.row_lstm import lstm_step

CASES = [
    Case("RowLSTM", lambda: RowLSTM(2), (random_floats(3, 2, 3, 2),)),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_step_worked_by_hand():
    gates = np.array([[0.0, 2.0, -1.0, 0.5]], "float32")  # output, forget, keep, new
    hidden, cell = lstm_step(gates, np.array([[0.3]], "float32"))
    expected = sigmoid(2) * 0.3 + sigmoid(-1) * np.tanh(0.5)
    assert float(cell[0, 0]) == pytest.approx(expected, abs=1e-6)
    assert float(hidden[0, 0]) == pytest.approx(0.5 * np.tanh(expected), abs=1e-6)


def test_the_outputs_are_those_of_a_loop_over_rows():
    layer, inputs = RowLSTM(3), inputs_of(2, 4, 5, 2)
    outputs = layer(inputs).numpy()
    gates = layer.of_inputs(inputs).numpy()
    kernel = layer.of_states.kernel.numpy()
    hidden, cell = np.zeros((2, 5, 3)), np.zeros((2, 5, 3))
    for row in range(4):
        padded = np.pad(hidden, [(0, 0), (1, 1), (0, 0)])
        of_states = sum(padded[:, i : i + 5] @ kernel[i] for i in range(3))
        out, forget, keep, new = np.split(gates[:, row] + of_states, 4, axis=-1)
        cell = sigmoid(forget) * cell + sigmoid(keep) * np.tanh(new)
        hidden = sigmoid(out) * np.tanh(cell)
        np.testing.assert_allclose(outputs[:, row], hidden, atol=1e-5)


def test_a_place_sees_a_triangle_of_the_past():
    seen = dependencies(RowLSTM(3), inputs_of(1, 4, 7, 2))
    for row, column, from_row, from_column in np.ndindex(seen.shape):
        up = row - from_row
        # To the left the inputs' kernel reaches one place more.
        reach = -up - 1 <= from_column - column <= up
        assert seen[row, column, from_row, from_column] == (up >= 0 and reach)


def test_place_by_place_it_gives_the_outputs_of_the_whole():
    layer, inputs = RowLSTM(3), inputs_of(2, 4, 5, 2)
    expected = layer(inputs).numpy()
    assert_steps_give(layer, layer.start(2, 5), inputs, expected)

import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, earlier, inputs_of
from vqzoo.layers import RotaryTransformerBlock

CASES = [
    Case(
        "RotaryTransformerBlock",
        lambda: RotaryTransformerBlock(1, 3, dropout=0.2, seed=1),
        (random_floats(3, 2, 3, 4),),
        random=True,
    ),
]
REFUSED = [
    (lambda: RotaryTransformerBlock(0, 4), "num_heads=0"),
    (lambda: RotaryTransformerBlock(2, 0), "hidden_channels=0"),
    (lambda: RotaryTransformerBlock(2, 4, dropout=-0.1), "dropout=-0.1"),
]


def test_a_place_sees_itself_and_what_is_before():
    seen = dependencies(RotaryTransformerBlock(2, 16), inputs_of(1, 3, 4, 8))
    np.testing.assert_array_equal(seen, earlier(3, 4, itself=True))


def test_places_of_one_grid_see_each_other():
    layer = RotaryTransformerBlock(2, 16, grids=((3, 4),))
    assert dependencies(layer, inputs_of(1, 3, 4, 8)).all()


def test_one_place_by_hand():
    layer, inputs = RotaryTransformerBlock(1, 6, adaptive=True), inputs_of(1, 1, 1, 4)
    modulations = np.random.default_rng(1).normal(size=(1, 1, 1, 24)).astype("float32")
    outputs = layer(inputs, modulations).numpy()[0, 0, 0]
    own = np.repeat([0, 0, 1, 0, 0, 1], 4)
    np.testing.assert_array_equal(layer.own.numpy(), own)
    parts = np.split(modulations.ravel() + own, 6)

    def normed(x, shift, scale):
        return x / np.sqrt(np.mean(x**2) + 1e-6) * (1 + scale) + shift

    # One place looks at itself alone: attention gives its values.
    x = inputs[0, 0, 0]
    values = normed(x, *parts[:2]) @ layer.attention.to_values.kernel.numpy()
    hidden = x + values @ layer.mix.kernel.numpy() * parts[2]
    inner = normed(hidden, *parts[3:5])
    gate = inner @ layer.gate.kernel.numpy()
    gate = gate / (1 + np.exp(-gate)) * (inner @ layer.hidden.kernel.numpy())
    expected = hidden + gate @ layer.outputs.kernel.numpy() * parts[5]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_place_by_place_it_gives_the_outputs_of_the_whole():
    layer, inputs = RotaryTransformerBlock(2, 16), inputs_of(2, 3, 4, 8)
    expected = layer(inputs).numpy()
    state = layer.start(2, (3, 4))
    assert_steps_give(layer, state, inputs, expected, begins=False)


def test_with_a_window_rows_go_on_without_end():
    layer, inputs = RotaryTransformerBlock(2, 16, window=3), inputs_of(2, 6, 2, 8)
    expected = layer(inputs).numpy()
    state = layer.start(2, (1, 2))
    assert state["keys"].shape[2] == 2
    assert_steps_give(layer, state, inputs, expected, begins=False)


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"num_heads=4, shape=\(1, 2, 2, 8\)"):
        RotaryTransformerBlock(4, 16)(inputs_of(1, 2, 2, 8))

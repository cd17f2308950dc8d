import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GatedMaskedConv2D

CASES = [
    Case(
        "GatedMaskedConv2D",
        lambda: GatedMaskedConv2D(1, 3, "B"),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: GatedMaskedConv2D(0, 3, "A"), "filters=0"),
]


each_type = pytest.mark.parametrize("mask_type", ["A", "B"])


def inputs_of(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def blocks_of(channels=2):
    """Two layers as they stand in a network, the first of type A."""
    first = GatedMaskedConv2D(channels, 3, "A")
    second = GatedMaskedConv2D(channels, 3, "B")
    return first, second


def test_two_layers_see_all_earlier_places_in_reach_and_no_other():
    first, second = blocks_of()
    inputs = tf.constant(inputs_of(1, 4, 5, 2))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        hidden = tf.concat([inputs, inputs], axis=-1)
        outputs = second(first(hidden))[..., 2:]
    jacobian = tape.jacobian(outputs, inputs)[0, :, :, :, 0].numpy()
    depends = np.abs(jacobian).max(axis=(2, 5)) > 0
    for row, column, from_row, from_column in np.ndindex(depends.shape):
        earlier = (from_row, from_column) < (row, column)
        near = row - from_row <= 2 and abs(column - from_column) <= 2
        expected = earlier and near
        assert depends[row, column, from_row, from_column] == expected


@each_type
def test_the_gates_are_those_of_the_paper(mask_type):
    layer, inputs = GatedMaskedConv2D(2, 3, mask_type), inputs_of(1, 3, 4, 4)
    outputs = layer(inputs).numpy()
    seen = layer.vertical(inputs[..., :2]).numpy()
    beside = layer.horizontal(inputs[..., 2:]).numpy()

    def gated(halves):
        return np.tanh(halves[..., :2]) / (1 + np.exp(-halves[..., 2:]))

    expected = gated(beside + seen @ layer.link.kernel.numpy())
    expected = expected @ layer.point.kernel.numpy() + layer.point.bias.numpy()
    if mask_type == "B":
        expected += inputs[..., 2:]
    np.testing.assert_allclose(outputs[..., :2], gated(seen), atol=1e-5)
    np.testing.assert_allclose(outputs[..., 2:], expected, atol=1e-5)


@pytest.mark.parametrize("condition_shape", [None, (2, 1, 1, 3), (2, 3, 4, 3)])
def test_row_by_row_and_place_by_place_it_gives_the_outputs_of_the_whole(
    condition_shape,
):
    first, second = blocks_of()
    inputs = inputs_of(2, 3, 4, 2)
    condition = None if condition_shape is None else inputs_of(*condition_shape)
    hidden = first(np.concatenate([inputs, inputs], axis=-1), condition)
    expected = second(hidden, condition).numpy()
    states = [layer.start(2, 4) for layer in (first, second)]
    for row in range(3):
        of_row = None
        if condition is not None:
            of_row = condition[:, row if condition.shape[1] > 1 else 0]
        states[0], above = first.begin_row(states[0], None, of_row)
        states[1], outputs = second.begin_row(states[1], above, of_row)
        np.testing.assert_allclose(outputs, expected[:, row, :, :2], atol=1e-5)
        for column in range(4):
            states[0], hidden = first.at(states[0], None, column)
            states[1], outputs = second.at(states[1], hidden, column)
            np.testing.assert_allclose(outputs, expected[:, row, column, 2:], atol=1e-5)
            states[0] = first.put(states[0], inputs[:, row, column], column)
        states = [first.end_row(states[0], inputs[:, row]), second.end_row(states[1])]


def test_an_odd_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"even number.*shape=\(1, 2, 2, 3\)"):
        GatedMaskedConv2D(2, 3, "B")(np.zeros((1, 2, 2, 3), "float32"))

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import MaskedConv2D

CASES = [
    Case("MaskedConv2D", lambda: MaskedConv2D(2, 3, "B"), (random_floats(3, 2, 3, 2),)),
    Case(
        "MaskedConv2D-rows",
        lambda: MaskedConv2D(2, 3, "A", by_row=True),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: MaskedConv2D(0, 3, "A"), "filters=0"),
    (lambda: MaskedConv2D(4, 2, "A"), "odd positive ints.*kernel_size=2"),
    (lambda: MaskedConv2D(4, (3, 3, 3), "A"), r"kernel_size=\(3, 3, 3\)"),
    (lambda: MaskedConv2D(4, 3, "C"), "mask_type='C'"),
    (lambda: MaskedConv2D(4, 1, "A"), "leaves a part of the kernel"),
]

KINDS = [
    (3, "A", False),
    ((5, 1), "A", False),
    (3, "B", False),
    (5, "B", False),
    ((1, 3), "A", False),
    ((3, 5), "A", True),
    (3, "B", True),
]
each_kind = pytest.mark.parametrize(("size", "kind", "by_row"), KINDS)


def layer_of(size, kind, by_row, filters=2):
    layer = MaskedConv2D(filters, size, kind, by_row=by_row)
    layer.build((None, None, None, 3))
    layer.bias.assign(np.arange(1.0, filters + 1))
    return layer


def inputs_of(height=4, width=5):
    shape = (2, height, width, 3)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@each_kind
def test_the_jacobian_is_zero_where_the_mask_says_so_and_nowhere_else(
    size, kind, by_row
):
    layer, inputs = layer_of(size, kind, by_row), tf.constant(inputs_of())
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
    jacobian = tape.jacobian(outputs, inputs)[0, :, :, :, 0].numpy()
    depends = np.abs(jacobian).max(axis=(2, 5)) > 0
    above, beside = np.array((size, size) if isinstance(size, int) else size) // 2
    for row, column, from_row, from_column in np.ndindex(depends.shape):
        near = row - above <= from_row <= row and abs(column - from_column) <= beside
        if by_row:
            earlier = from_row < row or (kind == "B" and from_row == row)
        else:
            last = (row, column if kind == "B" else column - 1)
            earlier = (from_row, from_column) <= last
        expected = near and earlier
        assert depends[row, column, from_row, from_column] == expected


@each_kind
def test_it_is_the_convolution_with_the_masked_kernel(size, kind, by_row):
    layer, inputs = layer_of(size, kind, by_row), inputs_of()
    height, width = (size, size) if isinstance(size, int) else size
    stored = layer.kernel.numpy()
    kernel = np.zeros((height, width, 3, 2), "float32")
    kernel[: len(stored)] = stored
    if not by_row:
        kernel[height // 2, width // 2 + (kind == "B") :] = 0
    expected = tf.nn.conv2d(inputs, kernel, 1, "SAME") + layer.bias
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "kind"), [k[:2] for k in KINDS if not k[2]])
def test_place_by_place_it_gives_the_outputs_of_the_whole(size, kind):
    layer, inputs = layer_of(size, kind, by_row=False), inputs_of()
    expected = layer(inputs).numpy()
    state = layer.start(2, inputs.shape[2])
    for row in range(inputs.shape[1]):
        state = layer.begin_row(state)
        for column in range(inputs.shape[2]):
            if kind == "A":
                outputs = layer.at(state, column)
            state = layer.put(state, inputs[:, row, column], column)
            if kind == "B":
                outputs = layer.at(state, column)
            np.testing.assert_allclose(outputs, expected[:, row, column], atol=1e-5)
        state = layer.end_row(state)


@pytest.mark.parametrize(("size", "kind"), [k[:2] for k in KINDS if k[2]])
def test_row_by_row_it_gives_the_outputs_of_the_whole(size, kind):
    layer, inputs = layer_of(size, kind, by_row=True), inputs_of()
    expected = layer(inputs).numpy()
    state = layer.start(2, inputs.shape[2])
    for row in range(inputs.shape[1]):
        if kind == "B":
            state = layer.put_row(state, inputs[:, row])
        state = layer.begin_row(state)
        np.testing.assert_allclose(state["seen"], expected[:, row], atol=1e-5)
        if kind == "A":
            state = layer.put_row(state, inputs[:, row])
        state = layer.end_row(state)


def test_rows_that_are_masked_altogether_are_not_stored():
    assert layer_of(3, "B", by_row=True).kernel.shape == (2, 3, 3, 2)
    assert layer_of(3, "A", by_row=True).kernel.shape == (1, 3, 3, 2)
    assert layer_of((5, 3), "A", by_row=False).kernel.shape == (3, 3, 3, 2)

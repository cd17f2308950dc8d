"""What the tests of causal layers share: who depends on whom, and steps of sampling."""

import numpy as np
import tensorflow as tf


def inputs_of(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def dependencies(layer, inputs):
    """Whether the outputs at (row, column) depend on the inputs at two more indices."""
    inputs = tf.constant(inputs[:1])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.reduce_sum(layer(inputs) ** 2, axis=-1)[0]
    jacobian = tape.jacobian(outputs, inputs)[:, :, 0].numpy()
    return np.abs(jacobian).max(axis=-1) > 0


def earlier(height, width, itself):
    """The dependencies of a layer that sees all places before, as `dependencies`."""
    places = height * width
    seen = np.tri(places, k=0 if itself else -1, dtype=bool)
    return seen.reshape(height, width, height, width)


def assert_steps_give(layer, state, inputs, expected, begins=True):
    """Goes over a grid place by place and compares with what the whole layer gave."""
    for row in range(inputs.shape[1]):
        state = layer.begin_row(state) if begins else state
        for column in range(inputs.shape[2]):
            state, outputs = layer.at(state, inputs[:, row, column], column)
            np.testing.assert_allclose(outputs, expected[:, row, column], atol=1e-5)
        state = layer.end_row(state)

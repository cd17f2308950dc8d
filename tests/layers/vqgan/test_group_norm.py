import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GroupNorm

INPUTS = random_floats(3, 2, 3, 4)
CASES = [
    Case("GroupNorm", lambda: GroupNorm(2), (random_floats(3, 2, 3, 4),)),
    Case(
        "GroupNorm-swish",
        lambda: GroupNorm(2, swish=True),
        (random_floats(3, 2, 3, 4),),
    ),
]
REFUSED = [
    (lambda: GroupNorm(0), "num_groups=0"),
    (lambda: GroupNorm(2, epsilon=0), "epsilon=0"),
    (lambda: GroupNorm(3).build((None, 2, 2, 4)), r"num_groups=3, .*\(None, 2, 2, 4\)"),
]


def test_a_group_is_brought_to_mean_0_and_variance_1_by_hand():
    layer = GroupNorm(2, epsilon=1e-12)
    inputs = np.zeros((1, 1, 2, 4), "float32")
    inputs[0, 0, :, :2] = [[1, 3], [1, 3]]  # mean 2, deviation 1
    inputs[0, 0, :, 2:] = [[0, 0], [0, 8]]  # mean 2, deviation sqrt(12)
    layer.build(inputs.shape)
    layer.gamma.assign([1, 10, 1, 1])
    layer.beta.assign([0, 0, 5, 0])
    low, high = -2 / 12**0.5, 6 / 12**0.5
    expected = [[-1, 10, 5 + low, low], [-1, 10, 5 + low, high]]
    outputs = ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(outputs[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("swish", [False, True])
def test_it_gives_what_the_layer_of_keras_gives(swish):
    inputs = 300 + random_floats(2, 5, 7, 12)
    ours = GroupNorm(4, swish=swish)
    theirs = keras.layers.GroupNormalization(4, epsilon=1e-6)
    for layer in (ours, theirs):
        layer.build(inputs.shape)
        layer.gamma.assign(np.linspace(0.5, 2, 12))
        layer.beta.assign(np.linspace(-1, 1, 12))
    expected = theirs(inputs)
    expected = ops.silu(expected) if swish else expected
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(inputs)), ops.convert_to_numpy(expected), atol=3e-4
    )


def test_a_flat_image_gives_the_offset():
    layer = GroupNorm(1)
    inputs = np.full((1, 4, 4, 2), 1000.0, "float32")
    layer.build(inputs.shape)
    layer.beta.assign([1, 2])
    outputs = ops.convert_to_numpy(layer(inputs))
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[0, 0, 0], [1, 2], atol=0.2)

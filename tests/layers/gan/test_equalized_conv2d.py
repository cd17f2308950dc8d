import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import EqualizedConv2D

CASES = [
    Case(
        "EqualizedConv2D",
        lambda: EqualizedConv2D(2, 3, gain=1.0),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: EqualizedConv2D(0, 3), "filters=0"),
    (lambda: EqualizedConv2D(4, 3, gain=0.0), "gain=0.0"),
]


def test_it_is_the_convolution_with_scaled_weights_and_a_bias_that_is_not():
    layer = EqualizedConv2D(4, 3, gain=2.0)
    inputs = np.random.default_rng(0).normal(size=(2, 5, 5, 6)).astype("float32")
    layer(inputs)
    layer.bias.assign([1.0, 2.0, 3.0, 4.0])
    kernel = layer.kernel.numpy() * 2 / np.sqrt(3 * 3 * 6)
    expected = tf.nn.conv2d(inputs, kernel, 1, "SAME") + [1.0, 2.0, 3.0, 4.0]
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-5)


@pytest.mark.parametrize(("channels", "size"), [(4, 3), (64, 3), (256, 1)])
def test_weights_start_at_unit_variance_and_outputs_keep_that_of_the_inputs(
    channels, size
):
    layer = EqualizedConv2D(64, size, gain=1.0)
    inputs = np.random.default_rng(0).normal(size=(4, 16, 16, channels))
    outputs = layer(inputs.astype("float32")).numpy()[:, 2:-2, 2:-2]
    assert layer.kernel.numpy().std() == pytest.approx(1, abs=0.05)
    assert outputs.std() == pytest.approx(1, abs=0.1)

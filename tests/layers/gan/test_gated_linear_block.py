import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GatedLinearBlock

CASES = [
    Case("GatedLinearBlock", lambda: GatedLinearBlock(3), (random_floats(3, 2, 3, 2),)),
]
REFUSED = [
    (lambda: GatedLinearBlock(0), "kernel_size=0"),
]


def test_half_of_the_convolution_gates_the_other_half():
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    layer = GatedLinearBlock(1, slope=0.1)
    outputs = layer(inputs).numpy()
    kernel = layer.conv.kernel.numpy()[0, 0] * np.sqrt(2 / 5)
    layer.conv.bias.assign(np.zeros(10))
    hidden = np.where(inputs > 0, inputs, 0.1 * inputs) @ kernel
    gate = 1 / (1 + np.exp(-hidden[..., 5:]))
    np.testing.assert_allclose(outputs, inputs + hidden[..., :5] * gate, atol=1e-5)

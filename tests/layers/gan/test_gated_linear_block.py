import numpy as np

from vqzoo.layers import GatedLinearBlock


def test_half_of_the_convolution_gates_the_other_half():
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    layer = GatedLinearBlock(1, slope=0.1)
    outputs = layer(inputs).numpy()
    kernel = layer.conv.kernel.numpy()[0, 0] * np.sqrt(2 / 5)
    layer.conv.bias.assign(np.zeros(10))
    hidden = np.where(inputs > 0, inputs, 0.1 * inputs) @ kernel
    gate = 1 / (1 + np.exp(-hidden[..., 5:]))
    np.testing.assert_allclose(outputs, inputs + hidden[..., :5] * gate, atol=1e-5)

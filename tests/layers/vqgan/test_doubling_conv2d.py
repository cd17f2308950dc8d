import keras
import numpy as np
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import DoublingConv2D

CASES = [
    Case("DoublingConv2D", lambda: DoublingConv2D(3), (random_floats(2, 2, 3, 4),))
]
REFUSED = [(lambda: DoublingConv2D(0), "filters=0")]


def test_it_is_the_convolution_of_the_doubled_image():
    inputs = random_floats(2, 3, 5, 4)
    layer = DoublingConv2D(6)
    layer.build(inputs.shape)
    layer.bias.assign(np.arange(6))
    plain = keras.layers.Conv2D(6, 3, padding="same")
    plain.build(inputs.shape)
    plain.set_weights([ops.convert_to_numpy(w) for w in (layer.kernel, layer.bias)])
    expected = plain(np.repeat(np.repeat(inputs, 2, 1), 2, 2))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(inputs)), ops.convert_to_numpy(expected), atol=1e-5
    )

import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import SqueezeExcitation

CASES = [
    Case(
        "SqueezeExcitation", lambda: SqueezeExcitation(2), (random_floats(3, 2, 3, 2),)
    ),
]
REFUSED = [
    (lambda: SqueezeExcitation(0), "reduction=0"),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_channels_are_weighed_by_what_their_means_say():
    layer = SqueezeExcitation()
    # Two images of 1 x 2 pixels; the means of the channels are (2, -1) and (-4, 6).
    inputs = np.array([[1, -3], [3, 1], [-4, 6], [-4, 6]], "float32")
    inputs = inputs.reshape(2, 1, 2, 2)
    layer.build(inputs.shape)
    assert layer.squeeze.kernel.shape == (2, 4)
    # Hidden units see channel 0, channel 1, minus channel 1, and nothing.
    layer.squeeze.kernel.assign(np.array([[1, 0, 0, 0], [0, 1, -1, 0]], "float32"))
    excite = np.array([[1, 0], [0, 0.5], [0, 2], [5, 5]], "float32")
    layer.excite.kernel.assign(excite)
    layer.excite.bias.assign([0.0, 1.0])
    # Rectified means (2, 0, 1, 0) and (0, 6, 0, 0).
    logits = np.array([[2, 2 + 1], [0, 3 + 1]])
    expected = inputs * sigmoid(logits)[:, None, None]
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-6)


def test_hidden_units_are_a_share_of_the_channels_and_at_least_four():
    for channels, hidden in ((8, 4), (64, 8), (72, 9)):
        layer = SqueezeExcitation(8)
        layer.build((None, 2, 2, channels))
        assert layer.squeeze.units == hidden and layer.excite.units == channels

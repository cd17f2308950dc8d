import numpy as np
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import NormalizedResidualBlock

CASES = [
    Case(
        "NormalizedResidualBlock",
        lambda: NormalizedResidualBlock(4, num_groups=2),
        (random_floats(3, 2, 3, 4),),
    ),
    Case(
        "NormalizedResidualBlock-shortcut",
        lambda: NormalizedResidualBlock(6, num_groups=2),
        (random_floats(3, 2, 3, 4),),
    ),
]
REFUSED = [
    (lambda: NormalizedResidualBlock(0), "channels=0"),
    (lambda: NormalizedResidualBlock(4, num_groups=0), "num_groups=0"),
    (
        lambda: NormalizedResidualBlock(6, num_groups=4).build((None, 2, 2, 4)),
        "num_groups=4",
    ),
]


def test_without_its_second_convolution_it_is_the_identity_or_the_shortcut():
    inputs = random_floats(2, 3, 4, 4)
    for channels in (4, 6):
        block = NormalizedResidualBlock(channels, num_groups=2)
        block.build(inputs.shape)
        block.conv_2.kernel.assign(np.zeros(block.conv_2.kernel.shape))
        block.conv_2.bias.assign(np.full(channels, 2.0))
        expected = inputs
        if channels == 6:
            expected = inputs @ ops.convert_to_numpy(block.shortcut.kernel)[0, 0]
        outputs = ops.convert_to_numpy(block(inputs))
        np.testing.assert_allclose(outputs, expected + 2, atol=1e-5)


def test_it_adds_what_its_parts_make_of_the_input():
    inputs = random_floats(2, 3, 4, 4)
    block = NormalizedResidualBlock(4, num_groups=2)
    block.build(inputs.shape)
    hidden = block.conv_2(block.norm_2(block.conv_1(block.norm_1(inputs))))
    expected = inputs + ops.convert_to_numpy(hidden)
    assert block.norm_1.swish and block.norm_2.swish
    np.testing.assert_allclose(ops.convert_to_numpy(block(inputs)), expected, atol=1e-6)

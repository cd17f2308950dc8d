import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from vqzoo.layers import ResidualBlock, ResidualStack

CASES = [
    Case("ResidualBlock", lambda: ResidualBlock(3), (random_floats(3, 2, 3, 2),)),
    Case("ResidualStack", lambda: ResidualStack(2, 3), (random_floats(3, 2, 3, 2),)),
    Case(
        "ResidualStack-normalized",
        lambda: ResidualStack(
            1, 4, kernel_size=1, activation="gelu", normalization="group"
        ),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: ResidualBlock(0), "residual_channels=0"),
    (lambda: ResidualStack(-1, 4), "num_blocks=-1"),
    (lambda: ResidualStack(1, 0), "residual_channels=0"),
    (lambda: ResidualStack(1, 4, kernel_size=0), "kernel_size=0"),
    (lambda: ResidualBlock(4, normalization="layer"), "normalization='layer'"),
    (lambda: ResidualBlock(4, activation="gel"), "gel"),
]


def set_to_identity(block, scale, bias):
    """Wide convolution: the middle pixel. Point convolution: times `scale`."""
    kernel = np.zeros(block.wide.kernel.shape, "float32")
    kernel[1, 1] = np.eye(*kernel.shape[2:])
    block.wide.kernel.assign(kernel)
    block.point.kernel.assign(scale * np.eye(*block.point.kernel.shape[2:])[None, None])
    block.point.bias.assign(np.full(block.point.bias.shape, bias))


def test_a_block_adds_what_its_convolutions_make_of_the_positive_part():
    block = ResidualBlock(2)
    inputs = np.array([-2, 3, 4, -5], "float32").reshape(1, 1, 2, 2)
    block.build(inputs.shape)
    set_to_identity(block, scale=10, bias=1)
    outputs = block(inputs).numpy().ravel()
    assert outputs.tolist() == [-2 + 0 + 1, 3 + 30 + 1, 4 + 40 + 1, -5 + 0 + 1]


def test_the_first_convolution_sees_the_positive_part_alone():
    block = ResidualBlock(1)
    inputs = np.array([-2, 3], "float32").reshape(1, 1, 1, 2)
    block.build(inputs.shape)
    block.wide.kernel.assign(np.ones((3, 3, 2, 1)))
    block.point.kernel.assign(np.ones((1, 1, 1, 2)))
    assert block(inputs).numpy().ravel().tolist() == [-2 + 3, 3 + 3]


def test_the_hidden_features_are_rectified_too():
    block = ResidualBlock(1)
    inputs = np.array([2, 3], "float32").reshape(1, 1, 2, 1)
    block.build(inputs.shape)
    set_to_identity(block, scale=1, bias=0)
    block.wide.bias.assign([-2.5])
    assert block(inputs).numpy().ravel().tolist() == [2, 3 + 0.5]


def test_the_wide_convolution_sees_the_neighbors():
    block = ResidualBlock(1)
    inputs = np.zeros((1, 5, 5, 1), "float32")
    inputs[0, 2, 2] = 1
    block.build(inputs.shape)
    block.wide.kernel.assign(np.ones((3, 3, 1, 1)))
    block.point.kernel.assign(np.ones((1, 1, 1, 1)))
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 1
    expected[2, 2] = 2
    assert block(inputs).numpy()[0, :, :, 0].tolist() == expected.tolist()


def test_a_stack_is_its_blocks_one_after_the_other_and_a_rectifier():
    stack = ResidualStack(3, 4)
    inputs = np.random.default_rng(0).normal(size=(2, 4, 4, 5)).astype("float32")
    outputs = stack(inputs).numpy()
    hidden = inputs
    for block in stack.blocks:
        hidden = block(hidden)
    np.testing.assert_array_equal(outputs, np.maximum(hidden, 0))
    assert (outputs == 0).any() and len(stack.blocks) == 3


def test_an_empty_stack_is_a_rectifier():
    inputs = np.array([-1.5, 2.5], "float32").reshape(1, 1, 1, 2)
    assert ResidualStack(0, 4)(inputs).numpy().ravel().tolist() == [0, 2.5]


def test_the_activation_and_the_kernel_are_those_that_were_asked_for():
    block = ResidualBlock(2, kernel_size=1, activation="silu")
    inputs = np.array([-2, 3], "float32").reshape(1, 1, 1, 2)
    block.build(inputs.shape)
    block.wide.kernel.assign(np.eye(2)[None, None])
    block.point.kernel.assign(np.eye(2)[None, None])

    def silu(x):
        return x / (1 + np.exp(-x))

    expected = inputs.ravel() + silu(silu(inputs.ravel()))
    np.testing.assert_allclose(block(inputs).numpy().ravel(), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "group"])
def test_features_are_normalized_before_each_activation(kind):
    stack = ResidualStack(1, 8, activation="linear", normalization=kind)
    inputs = random_floats(6, 4, 4, 8) * 7 + 3
    outputs = stack(inputs, training=True).numpy()
    # The last normalization stands alone before the output.
    assert abs(outputs.mean()) < 1e-5 and outputs.std() == pytest.approx(1, abs=0.01)
    names = [layer.name for layer in stack.blocks[0].normalizations]
    assert names == ["before_wide", "before_point"]
    seen = stack.blocks[0].normalizations[0](inputs, training=True).numpy()
    assert abs(seen.mean()) < 1e-5

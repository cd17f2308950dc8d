import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import EncoderCell

CASES = [
    Case("EncoderCell", EncoderCell, (random_floats(3, 2, 3, 2),)),
]
REFUSED = [
    (lambda: EncoderCell(momentum=1.0), r"in \[0, 1\), received momentum=1.0"),
]

# The normalization of a fresh cell at inference: mean 0, variance 1.
SCALE = 1 / np.sqrt(1 + 1e-5)


def silu(x):
    return x / (1 + np.exp(-x))


def identity_cell(channels):
    """Convolutions keep the middle pixel; the excitation halves every channel."""
    cell = EncoderCell()
    cell.build((None, None, None, channels))
    for convolution in cell.convolutions:
        kernel = np.zeros(convolution.kernel.shape, "float32")
        kernel[1, 1] = np.eye(channels)
        convolution.kernel.assign(kernel)
    cell.excitation.excite.kernel.assign(np.zeros((4, channels)))
    return cell


def test_a_cell_adds_two_activated_convolutions():
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
    expected = inputs + 0.5 * silu(SCALE * silu(SCALE * inputs))
    np.testing.assert_allclose(identity_cell(2)(inputs), expected, rtol=1e-5)


def test_training_normalizes_by_the_batch_and_remembers_it():
    inputs = np.random.default_rng(0).normal(3, 2, (4, 5, 5, 2)).astype("float32")
    cell = identity_cell(2)
    outputs = cell(inputs, training=True)
    axes = (0, 1, 2)

    def norm(x):
        return (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5)

    expected = inputs + 0.5 * silu(norm(silu(norm(inputs))))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    moving = cell.norms[0]
    np.testing.assert_allclose(moving.moving_mean, 0.05 * inputs.mean(axes), rtol=1e-5)
    variance = 0.95 + 0.05 * inputs.var(axes)
    np.testing.assert_allclose(moving.moving_variance, variance, rtol=1e-3)


def test_the_convolutions_see_two_pixels_to_each_side():
    cell = EncoderCell()
    inputs = np.zeros((1, 9, 9, 1), "float32")
    changed = inputs.copy()
    changed[0, 4, 4] = 1
    cell.build(inputs.shape)
    for convolution in cell.convolutions:
        convolution.kernel.assign(np.ones((3, 3, 1, 1)))
    cell.excitation.excite.kernel.assign(np.zeros((4, 1)))
    difference = np.asarray(cell(changed)) - np.asarray(cell(inputs))
    rows, columns = np.nonzero(difference[0, ..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)

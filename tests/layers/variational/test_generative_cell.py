import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GenerativeCell

CASES = [
    Case(
        "GenerativeCell",
        lambda: GenerativeCell(expansion=2),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: GenerativeCell(momentum=-0.1), "momentum=-0.1"),
    (lambda: GenerativeCell(expansion=0), "expansion=0"),
]

# The normalization of a fresh cell at inference: mean 0, variance 1.
SCALE = 1 / np.sqrt(1 + 1e-5)


def silu(x):
    return x / (1 + np.exp(-x))


def cell_of(expand, project, depthwise):
    """A cell with these kernels, whose excitation halves every channel."""
    channels = expand.shape[0]
    cell = GenerativeCell(expansion=expand.shape[1] // channels)
    cell.build((None, None, None, channels))
    kernels = (expand[None, None], depthwise[..., None], project[None, None])
    for convolution, kernel in zip(cell.convolutions, kernels):
        convolution.kernel.assign(kernel)
    cell.excitation.excite.kernel.assign(np.zeros((4, channels)))
    return cell


def test_a_cell_adds_its_wide_branch():
    generator = np.random.default_rng(0)
    expand, project = generator.normal(size=(2, 6)), generator.normal(size=(6, 2))
    middle = np.zeros((5, 5, 6))
    middle[2, 2] = factors = generator.normal(size=6)
    inputs = generator.normal(size=(2, 3, 4, 2)).astype("float32")
    wide = silu(SCALE * (SCALE * inputs @ expand)) * factors
    expected = inputs + 0.5 * SCALE * (silu(SCALE * wide) @ project)
    outputs = cell_of(expand, project, middle)(inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_training_normalizes_by_the_batch():
    inputs = np.random.default_rng(0).normal(3, 2, (4, 5, 5, 2)).astype("float32")
    middle = np.zeros((5, 5, 2))
    middle[2, 2] = 1
    outputs = cell_of(np.eye(2), np.eye(2), middle)(inputs, training=True)

    def norm(x):
        return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)

    hidden = silu(norm(silu(norm(norm(inputs)))))
    expected = inputs + 0.5 * norm(hidden)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)


def test_the_depthwise_convolution_sees_two_pixels_to_each_side():
    cell = cell_of(np.ones((1, 1)), np.ones((1, 1)), np.ones((5, 5, 1)))
    inputs = np.zeros((1, 9, 9, 1), "float32")
    changed = inputs.copy()
    changed[0, 4, 4] = 1
    difference = np.asarray(cell(changed)) - np.asarray(cell(inputs))
    rows, columns = np.nonzero(difference[0, ..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)


def test_the_weights_of_a_cell_by_hand():
    cell = GenerativeCell()
    cell.build((None, 8, 8, 32))
    convolutions = 2 * 32 * 192 + 25 * 192
    norms = 32 + 2 * 192 + 2 * 192 + 2 * 32
    excitation = (32 * 4 + 4) + (4 * 32 + 32)
    count = sum(int(np.prod(w.shape)) for w in cell.trainable_weights)
    assert count == convolutions + norms + excitation

import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from vqzoo import ops
from vqzoo.layers import ImplicitNeuralQuantizer

CASES = [
    Case(
        "ImplicitNeuralQuantizer",
        lambda: ImplicitNeuralQuantizer(4, 2, num_stages=2, depth=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: ImplicitNeuralQuantizer(4, 2, num_stages=0), "num_stages=0"),
    (
        lambda: ImplicitNeuralQuantizer(4, 2).decode(np.zeros((3, 5), "int32")),
        "1 to 4 stages",
    ),
]


def two_stages(network):
    layer = ImplicitNeuralQuantizer(2, 1, num_stages=2, depth=1)
    layer.build((None, 1))
    layer.tables[0].assign([[0], [10]])
    layer.tables[1].assign([[1], [2]])
    for (kernel, bias), (k, b) in zip(layer.networks[0], network):
        kernel.assign(k)
        bias.assign(b)
    return layer


def test_the_codes_of_the_second_stage_follow_the_first():
    # The map gives a tenth of the sum before: codes are 1, 2 at 0 and 2, 3 at 10.
    layer = two_stages([([[0.1], [0]], [0]), ([[0]], [0]), ([[0]], [0])])
    latents = np.array([[1.9], [12.9], [11.9]], "float32")
    assert layer.encode(latents).numpy().tolist() == [[0, 1], [1, 1], [1, 0]]
    np.testing.assert_allclose(layer(latents), [[2], [13], [12]], rtol=1e-5)
    np.testing.assert_allclose(layer.decode(np.array([[1], [0]])), [[10], [0]])
    # A block adds silu(1) = 0.7311 of a bias of 1 to every code.
    layer = two_stages([([[0], [0]], [0]), ([[0]], [1]), ([[1]], [0])])
    np.testing.assert_allclose(
        layer.decode(np.array([[0, 0]])), [[1 + 1 / (1 + np.exp(-1))]], rtol=1e-5
    )


def test_blocks_give_the_codes_of_one_block():
    layer = ImplicitNeuralQuantizer(5, 3, num_stages=3)
    points = random_floats(300, 3)
    layer.build(points.shape)
    with ops.in_one_block():
        expected = layer.encode(points).numpy()
    assert len(np.unique(expected)) > 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "_SCORES_PER_BLOCK", 1)
        np.testing.assert_array_equal(layer.encode(points), expected)


def started(**options):
    """Three stages on all sums of 0 or 64, 0 or 8, and 0 or 1, and these sums."""
    sums = np.add.outer(np.add.outer([0, 64], [0, 8]), [0, 1]).reshape(-1, 1)
    points = np.repeat(sums, 4, axis=0).astype("float32")
    layer = ImplicitNeuralQuantizer(2, 1, num_stages=3, depth=1, **options)
    layer.build(points.shape)
    before = layer.get_weights()
    layer.start_from(points)
    return layer, points, before


def test_it_starts_as_residual_k_means():
    layer, points, _ = started()
    centers = [[4.5, 68.5], [-4, 4], [-0.5, 0.5]]
    for table, expected in zip(layer.tables, centers):
        np.testing.assert_allclose(np.sort(table.numpy()[:, 0]), expected, atol=1e-4)
    codes = layer.encode(points)
    errors = [
        np.mean(np.square(points - layer.decode(codes[:, :count]).numpy()))
        for count in (1, 2, 3)
    ]
    np.testing.assert_allclose(errors, [16.25, 0.25, 0], atol=1e-3)


def test_a_started_layer_stays_what_it_is_in_training_and_in_a_copy():
    layer, points, _ = started()
    weights, outputs = layer.get_weights(), layer(points).numpy()
    layer(points, training=True)
    again = ImplicitNeuralQuantizer.from_config(layer.get_config())
    again.build(points.shape)
    again.set_weights(weights)
    np.testing.assert_array_equal(again(points, training=True), outputs)
    for each in (layer, again):
        for weight, before in zip(each.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, before)


def test_a_frozen_layer_and_one_of_more_codes_than_latents_do_not_start():
    frozen, _, before = started(trainable=False)
    large = ImplicitNeuralQuantizer(5, 1)
    large.build((None, 1))
    random = large.get_weights()
    large.start_from(np.arange(4, dtype="float32")[:, None])
    for layer, weights in ((frozen, before), (large, random)):
        for weight, other in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, other)

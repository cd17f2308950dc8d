import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import FiniteScalarQuantizer, NoisyAssignment, StochasticAssignment
from vqzoo.quantizers.assignments import Assignment

CASES = [
    Case(
        "FiniteScalarQuantizer",
        lambda: FiniteScalarQuantizer((4, 3, 5)),
        (random_floats(3, 2, 3, 3),),
    ),
    Case(
        "FiniteScalarQuantizer-noisy",
        lambda: FiniteScalarQuantizer((2, 6), assignment=NoisyAssignment(1.0, seed=2)),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: FiniteScalarQuantizer(()), r"levels=\(\)"),
    (lambda: FiniteScalarQuantizer((3,), bound="half"), "bound='half'"),
    (lambda: FiniteScalarQuantizer((8, 1)), r"at least 2.*levels=\(8, 1\)"),
    (lambda: FiniteScalarQuantizer((2**16, 2**15)), r"2147483647.*65536, 32768"),
    (
        lambda: FiniteScalarQuantizer((3,), assignment=StochasticAssignment()),
        "assignment=StochasticAssignment",
    ),
]


class NextDigit(Assignment):
    """Noise that is always one step, around the end; it remembers what it was told."""

    def call(self, codes, num_embeddings, training=False):
        self.told = (*getattr(self, "told", ()), num_embeddings)
        assert codes.dtype == "int32" and training
        return keras.ops.mod(codes + 1, num_embeddings)


def published(latents, levels):
    """The listing of the paper with its margin, in float64, for levels above 2."""
    levels = np.array(levels)
    half = (levels - 1) * (1 - 1e-3) / 2
    offset = np.where(levels % 2 == 1, 0, 0.5)
    bounded = np.tanh(latents + np.tan(offset / half)) * half - offset
    return np.round(bounded) / (levels // 2)


def test_the_codebook_of_three_levels():
    layer = FiniteScalarQuantizer([3])
    assert layer.codebook.numpy().tolist() == [[-1], [0], [1]]
    assert (layer.num_embeddings, layer.embedding_dim) == (3, 1)


def test_the_codebook_of_two_and_three_levels_has_the_first_fastest():
    layer = FiniteScalarQuantizer([2, 3])
    expected = [[-1, -1], [0, -1], [-1, 0], [0, 0], [-1, 1], [0, 1]]
    assert layer.codebook.numpy().tolist() == expected


def test_the_codebook_of_a_thousand_codes():
    layer = FiniteScalarQuantizer((8, 5, 5, 5))
    codebook = layer.codebook.numpy()
    assert codebook.shape == (1000, 4) and layer.num_embeddings == 1000
    assert sorted(set(codebook[:, 0])) == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75]
    assert sorted(set(codebook[:, 3])) == [-1, -0.5, 0, 0.5, 1]
    assert len(np.unique(codebook, axis=0)) == 1000
    assert codebook[[0, 1, 8]].tolist() == [
        [-1, -1, -1, -1],
        [-0.75, -1, -1, -1],
        [-1, -0.5, -1, -1],
    ]
    # 437 = 5 + 8 * (4 + 5 * (0 + 5 * 2))
    assert codebook[437].tolist() == [0.25, 1, -1, 0]
    assert codebook[999].tolist() == [0.75, 1, 1, 1]


def test_three_levels_change_where_tanh_is_a_half():
    # tanh(z) * 0.999 = 0.5 at z = 0.5501
    latents = np.array([[-9], [-0.56], [-0.54], [0], [0.54], [0.56], [9]], "float32")
    layer = FiniteScalarQuantizer([3])
    assert layer.encode(latents).numpy().tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert layer(latents).numpy().ravel().tolist() == [-1, -1, 0, 0, 0, 1, 1]


def test_two_levels_change_at_zero():
    latents = np.array([[-9], [-0.01], [0.01], [9]], "float32")
    layer = FiniteScalarQuantizer([2])
    assert layer.encode(latents).numpy().tolist() == [0, 0, 1, 1]
    assert layer(latents).numpy().ravel().tolist() == [-1, -1, 0, 0]


def test_values_are_those_of_the_published_listing():
    levels = (8, 5, 3, 16, 4)
    generator = np.random.default_rng(0)
    latents = generator.normal(scale=2, size=(50, 4, 5)).astype("float32")
    received = FiniteScalarQuantizer(levels)(latents)
    np.testing.assert_allclose(received, published(latents, levels), atol=1e-6)


def test_zero_stands_on_a_level_for_any_number_of_levels_but_two():
    layer = FiniteScalarQuantizer(tuple(range(3, 12)))
    for shift in (-1e-2, 0, 1e-2):
        assert layer(np.full((1, 9), shift, "float32")).numpy().tolist() == [[0] * 9]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 999, 4096, 4097])
def test_saturated_latents_reach_the_outer_levels_and_none_beyond(count):
    layer = FiniteScalarQuantizer([count])
    ends = np.array([[-1e4], [-30], [30], [1e4]], "float32")
    assert layer.encode(ends).numpy().tolist() == [0, 0, count - 1, count - 1]


def test_the_gradient_is_that_of_the_bound_before_rounding():
    levels = (8, 5)
    latents = tf.constant([[0.3, -0.7], [-1.2, 0.1], [1e4, -1e4]])
    weights = np.arange(1, 7, dtype="float32").reshape(3, 2)
    layer = FiniteScalarQuantizer(levels)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        loss = tf.reduce_sum(layer(latents, training=True) * weights)
    shift, half = np.array([np.tan(0.5 / 3.4965), 0]), np.array([3.4965, 1.998])
    slope = (1 - np.tanh(latents.numpy() + shift) ** 2) * half / np.array([4, 2])
    np.testing.assert_allclose(tape.gradient(loss, latents), weights * slope, 1e-4)
    assert slope[2].tolist() == [0, 0]


def test_noise_moves_each_digit_within_its_own_levels():
    noise = NextDigit()
    layer = FiniteScalarQuantizer((3, 2), assignment=noise)
    latents = np.array([[0, 9], [9, -9], [-9, 9]], "float32")  # digits 11, 20, 01
    assert layer(latents, training=True).numpy().tolist() == [[1, -1], [-1, 0], [0, -1]]
    assert noise.told == (3, 2)


@pytest.mark.parametrize("boundary", ["reflect", "clip", "wrap"])
def test_strong_noise_stays_within_the_levels(boundary):
    noise = NoisyAssignment(5.0, boundary=boundary, seed=1)
    layer = FiniteScalarQuantizer((2, 7), assignment=noise)
    outputs = layer(np.zeros((2000, 2), "float32"), training=True).numpy()
    assert set(outputs[:, 0]) == {-1, 0}
    steps = np.round(outputs[:, 1] * 3).astype(int)
    assert set(steps) == set(range(-3, 4))


def test_noise_does_not_act_at_inference():
    latents = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    plain = FiniteScalarQuantizer((4, 5))
    noisy = FiniteScalarQuantizer((4, 5), assignment=NoisyAssignment(3.0, seed=1))
    np.testing.assert_array_equal(noisy(latents), plain(latents))
    np.testing.assert_array_equal(noisy.encode(latents), plain.encode(latents))
    assert not np.array_equal(noisy(latents, training=True), plain(latents))


def test_decoding_the_codes_is_the_call_to_the_bit():
    latents = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype("float32")
    layer = FiniteScalarQuantizer((7, 6, 5))
    codes = layer.encode(latents)
    assert codes.shape == (4, 5, 6)
    np.testing.assert_array_equal(layer.decode(codes), layer(latents))
    np.testing.assert_array_equal(np.take(layer.codebook, codes, 0), layer(latents))


def test_there_is_no_loss_and_no_weight():
    layer = FiniteScalarQuantizer((4, 4))
    latents = np.ones((2, 2), "float32")
    layer(latents, training=True)
    found = (layer.losses, layer.weights, layer.loss_terms(latents))
    assert found == ([], [], {})


def test_a_wrong_last_axis_is_refused_with_its_numbers():
    layer = FiniteScalarQuantizer((4, 4))
    for use in (layer, layer.encode):
        with pytest.raises(ValueError, match=r"\(batch, ..., 2\).*shape=\(2, 3\)"):
            use(np.zeros((2, 3), "float32"))

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import LatentQuantizer, NoisyAssignment
from vqzoo.quantizers.assignments import Assignment

CASES = [
    Case(
        "LatentQuantizer",
        lambda: LatentQuantizer((3, 2)),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "LatentQuantizer-noisy",
        lambda: LatentQuantizer(
            (3, 5), optimize_values=False, assignment=NoisyAssignment(1.0, seed=2)
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: LatentQuantizer((8, 2.5)), r"levels=\(8, 2.5\)"),
    (lambda: LatentQuantizer((10,) * 10), "fits int32.*10000000000"),
    (lambda: LatentQuantizer((3,), commitment_cost=-1.0), "commitment_cost=-1.0"),
    (lambda: LatentQuantizer((3,), quantization_cost=-1.0), "zation_cost=-1.0"),
]

# Two values for the first channel, three for the second, not in order.
VALUES = [-1.0, 1.0, 0.0, 4.0, 2.0]
# Digits 0 0, 1 2, 1 1; differences (-0.5, 0.5), (1, -0.5), (-1, 2).
LATENTS = np.array([[-1.5, 0.5], [2, 1.5], [0.0, 6]], "float32")
LATENTS[2, 0] = 0.5
NEAREST = np.array([[-1, 0], [1, 2], [1, 4]], "float32")
CODES = [0, 1 + 2 * 2, 1 + 2 * 1]
MEAN_SQUARE = (0.25 + 0.25 + 1 + 0.25 + 0.25 + 4) / 6


class NextDigit(Assignment):
    """Noise that is always one step, around the end."""

    def call(self, codes, num_embeddings, training=False):
        return keras.ops.mod(codes + 1, num_embeddings) if training else codes


def quantizer(**options):
    layer = LatentQuantizer((2, 3), **options)
    layer.build((None, 2))
    layer.values.assign(VALUES)
    return layer


def test_codes_and_values_of_three_latents():
    layer = quantizer()
    assert layer.encode(LATENTS).numpy().tolist() == CODES
    assert layer(LATENTS).numpy().tolist() == NEAREST.tolist()
    assert layer.decode(CODES).numpy().tolist() == NEAREST.tolist()


def test_the_codebook_lists_all_combinations_the_first_channel_fastest():
    expected = [[-1, 0], [1, 0], [-1, 4], [1, 4], [-1, 2], [1, 2]]
    layer = quantizer()
    assert layer.codebook.numpy().tolist() == expected
    assert (layer.num_embeddings, layer.embedding_dim) == (6, 2)
    np.testing.assert_array_equal(layer.encode(layer.codebook), np.arange(6))


def test_the_values_start_evenly_between_minus_a_half_and_a_half():
    layer = LatentQuantizer((2, 5, 3))
    layer.build((None, 3))
    expected = [-0.5, 0.5, -0.5, -0.25, 0, 0.25, 0.5, -0.5, 0, 0.5]
    np.testing.assert_allclose(layer.values, expected, atol=1e-7)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_of_three_latents(training):
    layer = quantizer(commitment_cost=0.5, quantization_cost=2.0)
    layer(LATENTS, training=training)
    received = [float(loss) for loss in layer.losses]
    assert received == pytest.approx([2 * MEAN_SQUARE, 0.5 * MEAN_SQUARE])
    terms = {name: float(t) for name, t in layer.loss_terms(LATENTS).items()}
    assert terms == pytest.approx(
        {"commitment": MEAN_SQUARE, "quantization": MEAN_SQUARE}
    )


def gradients(layer, pick, training=False):
    """Gradients of one loss term, or of the sum of the outputs times 1, 2, 3, ..."""
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=training)
        weights = np.arange(1, 7, dtype="float32").reshape(3, 2)
        terms = {
            "quantization": layer.losses[0],
            "commitment": layer.losses[-1],
            "outputs": tf.reduce_sum(outputs * weights),
        }
    found = tape.gradient(terms[pick], [latents, layer.values.value])
    return [None if g is None else tf.convert_to_tensor(g).numpy() for g in found]


def test_the_quantization_loss_moves_the_values_alone():
    to_latents, to_values = gradients(quantizer(quantization_cost=1.0), "quantization")
    # -1 was chosen at -0.5 from it; 1 at +1 and -0.5; 0 at +0.5; 4 at +2; 2 at -0.5.
    expected = -2 / 6 * np.array([-0.5, 1 - 0.5, 0.5, 2, -0.5])
    assert to_latents is None
    np.testing.assert_allclose(to_values, expected, atol=1e-7)


def test_the_commitment_loss_moves_the_latents_alone():
    to_latents, to_values = gradients(quantizer(commitment_cost=0.5), "commitment")
    expected = 0.5 * 2 / 6 * (LATENTS - NEAREST)
    np.testing.assert_allclose(to_latents, expected, atol=1e-7)
    assert to_values is None


def test_the_decoder_reaches_the_latents_unchanged_and_the_values_not():
    to_latents, to_values = gradients(quantizer(), "outputs")
    assert to_latents.ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert to_values is None


def test_noise_moves_the_perturbed_value_and_commits_to_the_nearest():
    options = {"commitment_cost": 1.0, "quantization_cost": 1.0}
    layer = quantizer(assignment=NextDigit(), **options)
    outputs = layer(LATENTS, training=True).numpy()
    # Digits 0 0, 1 2, 1 1 become 1 1, 0 0, 0 2.
    expected = np.array([[1, 4], [-1, 0], [-1, 2]])
    assert outputs.tolist() == expected.tolist()
    quantization, commitment = (float(loss) for loss in layer.losses)
    assert quantization == pytest.approx(np.square(LATENTS - expected).mean())
    assert commitment == pytest.approx(MEAN_SQUARE)
    _, to_values = gradients(layer, "quantization", training=True)
    assert to_values[1] == pytest.approx(2 / 6 * (1 + 1.5))
    assert layer(LATENTS).numpy().tolist() == NEAREST.tolist()


@pytest.mark.parametrize("boundary", ["reflect", "clip", "wrap"])
def test_strong_noise_takes_values_of_its_own_channel_alone(boundary):
    noise = NoisyAssignment(4.0, boundary=boundary, seed=1)
    outputs = quantizer(assignment=noise)(np.zeros((500, 2), "float32"), training=True)
    assert set(outputs.numpy()[:, 0]) == {-1, 1}
    assert set(outputs.numpy()[:, 1]) == {0, 4, 2}


def test_values_that_are_not_learned_have_no_loss_and_no_gradient():
    layer = quantizer(optimize_values=False, commitment_cost=1.0)
    layer(LATENTS, training=True)
    assert [float(loss) for loss in layer.losses] == pytest.approx([MEAN_SQUARE])
    assert layer.trainable_weights == []
    assert set(layer.loss_terms(LATENTS)) == {"commitment"}
    assert gradients(layer, "commitment")[1] is None


def test_decoding_the_codes_is_the_call_to_the_bit():
    layer = LatentQuantizer((7, 4, 9))
    latents = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype("float32")
    called = layer(latents).numpy()
    codes = layer.encode(latents)
    assert codes.shape == (4, 5, 6)
    np.testing.assert_array_equal(layer.decode(codes), called)
    table = [np.linspace(-0.5, 0.5, count) for count in (7, 4, 9)]
    for channel, values in enumerate(table):
        distances = np.abs(latents[..., channel, None] - values)
        expected = values[distances.argmin(axis=-1)]
        np.testing.assert_allclose(called[..., channel], expected, atol=1e-6)


def test_an_optimizer_learns_two_clusters_of_each_channel():
    latents = np.array([[1, -3], [1.2, -3], [-1, 5], [-1.2, 5]], "float32")
    layer = LatentQuantizer((2, 2), quantization_cost=1.0)
    layer.build((None, 2))
    optimizer = keras.optimizers.SGD(0.5)
    for _ in range(60):
        with tf.GradientTape() as tape:
            layer(latents, training=True)
            loss = layer.losses[0]
        gradient = tape.gradient(loss, layer.values.value)
        optimizer.apply([tf.convert_to_tensor(gradient)], [layer.values])
    np.testing.assert_allclose(layer.values, [-1.1, 1.1, -3, 5], atol=1e-4)

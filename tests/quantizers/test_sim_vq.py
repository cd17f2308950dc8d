import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from tests.helpers.steps import compiled
from vqzoo.layers import NoisyAssignment, SimVQ

CASES = [
    Case("SimVQ", lambda: SimVQ(4, 2, seed=1), (random_floats(3, 2, 3, 2),)),
    Case(
        "SimVQ-noisy",
        lambda: SimVQ(4, 2, assignment=NoisyAssignment(1.0, seed=2), seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: SimVQ(0, 2), "num_embeddings=0"),
    (lambda: SimVQ(4, 2, commitment_cost=-1.0), "commitment_cost=-1.0"),
]

FROZEN = np.array([[1, 0], [0, 1], [-1, 0], [1, 1]], "float32")
MAPPING = np.array([[2, 0], [1, 1]], "float32")
CODEBOOK = np.array([[2, 0], [1, 1], [-2, 0], [3, 1]], "float32")
# Nearest codes 0, 2, 1; differences (0.5, 0), (0, -1), (-0.5, 0.5).
LATENTS = np.array([[2.5, 0], [-2, -1], [0.5, 1.5]], "float32")
CODES = [0, 2, 1]
MEAN_SQUARE = (0.25 + 1 + 0.5) / 6


def quantizer(**options):
    layer = SimVQ(4, 2, mapping_init="identity", **options)
    layer.build((None, 2))
    layer.frozen_codebook.assign(FROZEN)
    layer.mapping_start.assign(MAPPING)
    return layer


def test_the_codes_are_the_frozen_codebook_times_the_map_and_a_shift():
    layer = quantizer()
    assert np.asarray(layer.codebook).tolist() == CODEBOOK.tolist()
    assert layer.encode(LATENTS).numpy().tolist() == CODES
    assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()
    assert layer.decode([[3, 1]]).numpy().tolist() == [[[3, 1], [1, 1]]]
    layer.mapping_offset.assign([[0, 0], [0, 1]])
    layer.shift_offset.assign([0.5, 0])
    moved = [[2.5, 0], [1.5, 2], [-1.5, 0], [3.5, 2]]
    assert np.asarray(layer.codebook).tolist() == moved


def test_the_first_batch_gives_the_codes_its_mean_and_covariance():
    generator = np.random.default_rng(0)
    basis = generator.normal(size=(2, 5))
    latents = (0.1 * generator.normal(size=(3000, 2)) @ basis + 4).astype("float32")
    layer = SimVQ(20_000, 5, seed=0)
    layer(latents, training=True)
    codebook = np.asarray(layer.codebook)
    np.testing.assert_allclose(codebook.mean(0), latents.mean(0), atol=0.005)
    np.testing.assert_allclose(np.cov(codebook.T), np.cov(latents.T), atol=0.002)
    layer(latents + 1, training=True)
    np.testing.assert_array_equal(layer.codebook, codebook)


def test_equal_latents_start_all_codes_in_one_place_without_nan():
    layer = SimVQ(8, 3, seed=0)
    outputs = layer(np.full((5, 3), 2.0, "float32"), training=True)
    np.testing.assert_allclose(outputs, np.full((5, 3), 2.0), atol=1e-6)


def test_the_frozen_codebook_is_normal_and_comes_from_the_seed():
    layer = SimVQ(2000, 16, seed=3)
    layer.build((None, 16))
    frozen = layer.frozen_codebook.numpy()
    assert frozen.std() == pytest.approx(1, rel=0.02)
    np.testing.assert_array_equal(layer.codebook, frozen)
    again = SimVQ(2000, 16, seed=3)
    again.build((None, 16))
    np.testing.assert_array_equal(again.frozen_codebook, frozen)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_of_three_latents(training):
    layer = quantizer(commitment_cost=0.5)
    layer(LATENTS, training=training)
    assert [float(x) for x in layer.losses] == pytest.approx(
        [MEAN_SQUARE, 0.5 * MEAN_SQUARE]
    )
    terms = {name: float(value) for name, value in layer.loss_terms(LATENTS).items()}
    expected = {"codebook": MEAN_SQUARE, "commitment": MEAN_SQUARE}
    assert terms == pytest.approx(expected)


def gradients(layer, loss_index):
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
        upstream = np.arange(1, 7, dtype="float32").reshape(3, 2)
        losses = [*layer.losses, tf.reduce_sum(outputs * upstream)]
    return tape.gradient(losses[loss_index], [latents, layer.mapping_offset.value])


def test_the_codebook_loss_moves_the_map_alone():
    to_latents, to_mapping = gradients(quantizer(), 0)
    # d mean((f W - z) ** 2) / dW = 2 / 6 f^T (f W - z), over the chosen codes f.
    expected = 2 / 6 * FROZEN[CODES].T @ (CODEBOOK[CODES] - LATENTS)
    assert to_latents is None
    np.testing.assert_allclose(to_mapping, expected, atol=1e-6)


def test_the_commitment_loss_and_the_decoder_reach_the_latents_alone():
    to_latents, to_mapping = gradients(quantizer(commitment_cost=0.5), 1)
    expected = 0.5 * 2 / 6 * (LATENTS - CODEBOOK[CODES])
    np.testing.assert_allclose(to_latents, expected, atol=1e-7)
    assert to_mapping is None
    to_latents, to_mapping = gradients(quantizer(), 2)
    assert to_latents.numpy().ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert to_mapping is None


def test_training_moves_codes_that_were_not_chosen_and_the_frozen_codebook_never():
    layer = quantizer()
    model = keras.Sequential([keras.Input((2,)), layer])
    compiled(model, keras.optimizers.SGD(0.1), "mse")
    for _ in range(3):
        model.train_on_batch(LATENTS[:1], LATENTS[:1])
    assert layer.frozen_codebook.numpy().tolist() == FROZEN.tolist()
    names = [weight.name for weight in layer.trainable_weights]
    assert names == ["mapping_offset", "shift_offset"]
    moved = np.abs(np.asarray(layer.codebook) - CODEBOOK).max(axis=1)
    # Code 0 alone was chosen; for code 2, its opposite, map and shift cancel out.
    assert (moved > 1e-3).tolist() == [True, True, False, True]


def test_noise_moves_to_the_perturbed_code_and_commits_to_the_nearest():
    noise = NoisyAssignment(50.0, boundary="wrap", seed=3)
    layer = quantizer(commitment_cost=1.0, assignment=noise)
    outputs = layer(LATENTS, training=True).numpy()
    distances = np.abs(outputs[:, None] - CODEBOOK).sum(-1)
    codes = distances.argmin(-1)
    assert distances.min(-1).tolist() == [0, 0, 0] and codes.tolist() != CODES
    codebook_loss, commitment = (float(x) for x in layer.losses)
    expected = np.square(LATENTS - CODEBOOK[codes]).mean()
    assert codebook_loss == pytest.approx(expected, rel=1e-6)
    assert commitment == pytest.approx(MEAN_SQUARE)
    assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()


def test_most_of_many_codes_are_used_after_a_few_steps():
    latents = np.random.default_rng(0).normal(size=(4096, 4)).astype("float32")
    layer = SimVQ(1024, 4, seed=1)
    model = keras.Sequential([keras.Input((4,)), layer])
    compiled(model, keras.optimizers.Adam(0.02), jit_compile=False)
    for _ in range(60):
        model.train_on_batch(latents, None)
    assert len(np.unique(layer.encode(latents))) > 900

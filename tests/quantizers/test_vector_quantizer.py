import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, uniform
from tests.helpers.four_codes import CODEBOOK, CODES, LATENTS, MEAN_SQUARE, NextCode
from vqzoo.layers import (
    NoisyAssignment,
    StochasticAssignment,
    VectorQuantizer,
    VectorQuantizerEMA,
)

CASES = [
    Case(
        "VectorQuantizer-affine",
        lambda: VectorQuantizer(4, 2, codebook_init=uniform(), affine=True),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "VectorQuantizer",
        lambda: VectorQuantizer(4, 2, codebook_init=uniform()),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "VectorQuantizer-noisy",
        lambda: VectorQuantizer(
            4, 2, assignment=NoisyAssignment(0.7, boundary="wrap", seed=2)
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "VectorQuantizer-regularized",
        lambda: VectorQuantizer(
            4,
            2,
            codebook_init="random_normal",
            codebook_regularizer=keras.regularizers.OrthogonalRegularizer(0.1),
            entropy_weight=0.1,
            normalize=True,
            estimator="rotation",
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "VectorQuantizer-stochastic",
        lambda: VectorQuantizer(4, 2, assignment=StochasticAssignment(0.5, seed=2)),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: VectorQuantizer(0, 2), "num_embeddings=0"),
    (lambda: VectorQuantizer(4, -2), "embedding_dim=-2"),
    (lambda: VectorQuantizer(4, 2.5), "embedding_dim=2.5"),
    (lambda: VectorQuantizer(4, 2, commitment_cost=-1.0), "commitment_cost=-1.0"),
    (lambda: VectorQuantizer(4, 2, codebook_cost=-1.0), "codebook_cost=-1.0"),
    (lambda: VectorQuantizer(4, 2, entropy_weight=-1.0), "entropy_weight=-1.0"),
    (
        lambda: VectorQuantizer(
            4, 2, estimator="rotation", assignment=NoisyAssignment()
        ),
        "estimator='straight_through' with an assignment.*diverges",
    ),
    (lambda: VectorQuantizer(4, 2, estimator="gumbel"), "estimator='gumbel'"),
]


def quantizer(**options):
    layer = VectorQuantizer(4, 2, **options)
    layer.build((None, 2))
    layer.trainable_variables[0].assign(CODEBOOK)
    return layer


def test_codes_and_quantized_of_four_latents():
    layer = quantizer()
    assert layer.encode(LATENTS).numpy().tolist() == CODES
    assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()
    assert layer.decode([[3, 0]]).numpy().tolist() == [[[2, 2], [0, 0]]]


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_of_four_latents(training):
    layer = quantizer(commitment_cost=0.5)
    layer(LATENTS, training=training)
    codebook_loss, commitment = (float(loss) for loss in layer.losses)
    assert codebook_loss == pytest.approx(MEAN_SQUARE)
    assert commitment == pytest.approx(0.5 * MEAN_SQUARE)
    terms = layer.loss_terms(LATENTS)
    assert float(terms["codebook"]) == pytest.approx(MEAN_SQUARE)
    assert float(terms["commitment"]) == pytest.approx(MEAN_SQUARE)


def gradients(layer, pick, training=False):
    """Gradients of one loss term, or of the sum of the outputs times 1, 2, 3, ..."""
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=training)
        weights = np.arange(1, 9, dtype="float32").reshape(4, 2)
        terms = {
            "codebook": layer.losses[0],
            "commitment": layer.losses[1],
            "outputs": tf.reduce_sum(outputs * weights),
        }
    found = tape.gradient(terms[pick], [latents, layer.codebook.value])
    return [None if g is None else tf.convert_to_tensor(g).numpy() for g in found]


def test_the_codebook_loss_moves_the_codes_alone():
    to_latents, to_codebook = gradients(quantizer(), "codebook")
    expected = np.zeros((4, 2))
    for code, latent in zip(CODES, LATENTS):
        expected[code] += 2 / 8 * (CODEBOOK[code] - latent)
    assert to_latents is None
    np.testing.assert_allclose(to_codebook, expected, atol=1e-7)
    assert to_codebook[2].tolist() == [0, 0]


def test_the_commitment_loss_moves_the_latents_alone():
    to_latents, to_codebook = gradients(quantizer(commitment_cost=0.5), "commitment")
    expected = 0.5 * 2 / 8 * (LATENTS - CODEBOOK[CODES])
    np.testing.assert_allclose(to_latents, expected, atol=1e-7)
    assert to_codebook is None


def test_the_decoder_reaches_the_latents_unchanged_and_the_codes_not():
    to_latents, to_codebook = gradients(quantizer(), "outputs")
    assert to_latents.ravel().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert to_codebook is None


def test_noise_moves_the_perturbed_code_and_commits_to_the_nearest():
    layer = quantizer(commitment_cost=1.0, assignment=NextCode())
    outputs = layer(LATENTS, training=True)
    noisy = [1, 2, 0, 2]
    assert outputs.numpy().tolist() == CODEBOOK[noisy].tolist()
    distance = np.square(LATENTS - CODEBOOK[noisy]).mean()
    codebook_loss, commitment = (float(loss) for loss in layer.losses)
    assert codebook_loss == pytest.approx(distance)
    assert commitment == pytest.approx(MEAN_SQUARE)
    _, to_codebook = gradients(layer, "codebook", training=True)
    assert to_codebook[3].tolist() == [0, 0]
    np.testing.assert_allclose(to_codebook[0], 2 / 8 * (CODEBOOK[0] - LATENTS[2]))


def test_inference_takes_the_nearest_code_whatever_the_noise():
    layer = quantizer(assignment=NextCode())
    assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()
    assert layer.encode(LATENTS).numpy().tolist() == CODES


def test_the_default_start_is_within_one_over_the_number_of_codes():
    layer = VectorQuantizer(50, 20)
    layer.build((None, 20))
    codebook = layer.codebook.numpy()
    assert 0.019 < np.abs(codebook).max() <= 0.02
    assert codebook.std() == pytest.approx(0.02 / np.sqrt(3), rel=0.1)


def test_duplicating_the_batch_changes_no_loss():
    layer = quantizer()
    layer(LATENTS, training=True)
    once = [float(loss) for loss in layer.losses]
    layer(np.concatenate([LATENTS] * 3), training=True)
    assert [float(loss) for loss in layer.losses] == pytest.approx(once)


def test_decoding_the_codes_is_the_call_to_the_bit():
    layer = VectorQuantizer(64, 8, codebook_init="random_normal")
    latents = np.random.default_rng(0).normal(size=(4, 5, 6, 8)).astype("float32")
    called = layer(latents).numpy()
    codes = layer.encode(latents)
    assert codes.shape == (4, 5, 6)
    np.testing.assert_array_equal(layer.decode(codes), called)


def test_an_optimizer_learns_two_clusters():
    latents = np.array([[1.0, 1.0], [1.2, 1.0], [-1.0, -1.0], [-1.2, -1.0]], "float32")
    layer = VectorQuantizer(2, 2, codebook_init="random_normal")
    layer.build((None, 2))
    layer.codebook.assign([[0.1, 0.1], [-0.1, -0.1]])
    optimizer = keras.optimizers.SGD(0.5)
    for _ in range(60):
        with tf.GradientTape() as tape:
            layer(latents, training=True)
            loss = layer.losses[0]
        optimizer.apply([tape.gradient(loss, layer.codebook.value)], [layer.codebook])
    expected = [[1.1, 1.0], [-1.1, -1.0]]
    np.testing.assert_allclose(layer.codebook, expected, atol=1e-4)


def test_the_codes_have_a_learning_rate_of_their_own():
    layer = quantizer(codebook_cost=4.0)
    _, to_codebook = gradients(layer, "codebook")
    _, plain = gradients(quantizer(), "codebook")
    np.testing.assert_allclose(to_codebook, 4 * plain)


def test_normalized_codes_are_chosen_by_their_angle():
    layer = quantizer(normalize=True)
    latents = np.array([[0.01, 0.3], [90, 1]], "float32")
    outputs = layer(latents).numpy()
    assert layer.encode(latents).numpy().tolist() == [2, 1]
    np.testing.assert_allclose(outputs, [[0, 1], [1, 0]], atol=1e-6)
    unit = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    expected = np.square(unit - [[0, 1], [1, 0]]).mean()
    assert float(layer.losses[0]) == pytest.approx(expected, rel=1e-4)
    lengths = np.linalg.norm(layer.codebook, axis=1)
    np.testing.assert_allclose(lengths, [0, 1, 1, 1], atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_only_the_entropy_loss_draws_idle_codes_to_the_latents(weight):
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(256, 4)).astype("float32")
    start = np.concatenate([[[0, 0, 0, 0]], generator.normal(2, 0.1, (15, 4))])
    layer = VectorQuantizer(16, 4, entropy_weight=weight)
    layer.build((None, 4))
    layer.codebook.assign(start)
    idle = np.bincount(layer.encode(latents), minlength=16) == 0
    assert idle.sum() > 5
    with tf.GradientTape() as tape:
        layer(latents, training=True)
        loss = sum(layer.losses)
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.codebook.value))
    moves = -(gradient.numpy()[idle] * start[idle]).sum(1)
    if weight:
        assert (moves < -1e-5).all()  # toward the latents, which are around 0
    else:
        assert (moves == 0).all()


@pytest.mark.parametrize("quantizer", [VectorQuantizer, VectorQuantizerEMA])
def test_a_wrong_last_axis_is_refused_with_its_numbers(quantizer):
    message = r"\(batch, ..., 3\).*shape=\(2, 4, 5\)"
    with pytest.raises(ValueError, match=message):
        quantizer(8, 3)(np.zeros((2, 4, 5), "float32"))
    layer = quantizer(8, 3)
    layer.build((None, 3))
    with pytest.raises(ValueError, match=message):
        layer.encode(np.zeros((2, 4, 5), "float32"))
    # 2 x 3 x 6 values could be cut into codes of 3: that must not happen in silence.
    with pytest.raises(ValueError, match=r"value 3.*shape \(2, 3, 6\)"):
        layer(np.zeros((2, 3, 6), "float32"))
    with pytest.raises(ValueError, match=r"\(batch, ..., 3\).*shape=\(2, 3, 6\)"):
        layer.encode(np.zeros((2, 3, 6), "float32"))


def test_an_affine_codebook_moves_as_a_whole():
    layer = VectorQuantizer(2, 2, affine=True)
    layer.build((None, 2))
    layer.raw_codebook.assign([[1, 0], [0, 1]])
    layer.scale.assign([2, 3])
    layer.shift.assign([1, 0])
    np.testing.assert_array_equal(layer.codebook, [[3, 0], [1, 3]])
    assert layer.encode(np.array([[3.1, 0.5], [0.5, 2]])).numpy().tolist() == [0, 1]
    with tf.GradientTape() as tape:
        layer(np.array([[3.0, 1.0]], "float32"))
        loss = layer.losses[0]
    # mean((code - latent) ** 2) of the difference (0, -1) over 2 numbers.
    np.testing.assert_allclose(tape.gradient(loss, layer.shift), [0, -1])

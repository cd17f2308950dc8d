import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, uniform
from tests.helpers.steps import compiled
from vqzoo.layers import IndexBackpropagationQuantizer, NoisyAssignment, VectorQuantizer
from vqzoo.quantizers import soft_codes
from vqzoo.quantizers.assignments import Assignment

CASES = [
    Case(
        "IndexBackpropagationQuantizer",
        lambda: IndexBackpropagationQuantizer(
            4,
            2,
            entropy_weight=0.1,
            codebook_init=uniform(),
        ),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "IndexBackpropagationQuantizer-data-start",
        lambda: IndexBackpropagationQuantizer(
            4, 2, assignment=NoisyAssignment(1.0, seed=2), seed=1
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: IndexBackpropagationQuantizer(4, 0), "embedding_dim=0"),
    (
        lambda: IndexBackpropagationQuantizer(4, 2, entropy_weight=-1.0),
        "entropy_weight=-1.0",
    ),
    (
        lambda: IndexBackpropagationQuantizer(4, 2, temperature=0.0),
        "above 0, received temperature=0.0",
    ),
]


def batch(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LATENTS, CODEBOOK = batch(1, 9, 2), batch(2, 5, 2)
UPSTREAM = batch(3, 9, 2)
DISTANCES = np.square(LATENTS[:, None] - CODEBOOK[None]).sum(-1)
CODES = DISTANCES.argmin(1)
MEAN_SQUARE = np.square(LATENTS - CODEBOOK[CODES]).mean()


class NextCode(Assignment):
    """Noise that is always one step, around the end."""

    def call(self, codes, num_embeddings, training=False):
        return keras.ops.mod(codes + 1, num_embeddings) if training else codes


def quantizer(**options):
    options = {"temperature": 1.0, "entropy_weight": 0.0, **options}
    layer = IndexBackpropagationQuantizer(5, 2, codebook_init="zeros", **options)
    layer.build((None, 2))
    layer.codebook_offset.assign(CODEBOOK)
    return layer


def probabilities(temperature=1.0):
    scores = -DISTANCES / (temperature * DISTANCES.min(1).mean())
    p = np.exp(scores)
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("training", [False, True])
def test_the_output_is_the_nearest_code_to_the_bit(training):
    layer = quantizer()
    np.testing.assert_array_equal(layer(LATENTS, training=training), CODEBOOK[CODES])
    assert layer.encode(LATENTS).numpy().tolist() == CODES.tolist()


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_by_numpy(training):
    layer = quantizer(commitment_cost=0.5, entropy_weight=0.1)
    layer(LATENTS, training=training)
    p = probabilities()
    single, mean = -(p * np.log(p)).sum(1).mean(), p.mean(0)
    entropy = single + (mean * np.log(mean)).sum()
    expected = [MEAN_SQUARE, 0.5 * MEAN_SQUARE, MEAN_SQUARE, 0.1 * entropy]
    np.testing.assert_allclose([float(x) for x in layer.losses], expected, rtol=1e-5)
    terms = layer.loss_terms(LATENTS)
    assert list(terms) == ["codebook", "commitment", "index", "entropy"]
    assert float(terms["entropy"]) == pytest.approx(entropy, rel=1e-5)


def formula(temperature, entropy_weight):
    """The paper's formula on whole tables, in float64, and its gradients."""
    latents, codebook = (tf.constant(x, "float64") for x in (LATENTS, CODEBOOK))
    unit = temperature * DISTANCES.astype("float64").min(1).mean()
    with tf.GradientTape() as tape:
        tape.watch([latents, codebook])
        squares = tf.square(latents[:, None] - codebook[None])
        soft = tf.nn.softmax(-tf.reduce_sum(squares, axis=2) / unit)
        hard = tf.one_hot(CODES, 5, dtype="float64")
        quantized = (hard + soft - tf.stop_gradient(soft)) @ codebook
        nearest = hard @ codebook
        mean = tf.reduce_mean(soft, axis=0)
        entropy = tf.reduce_sum(mean * tf.math.log(mean)) - tf.reduce_mean(
            tf.reduce_sum(soft * tf.math.log(soft), axis=1)
        )
        loss = (
            tf.reduce_sum(quantized * UPSTREAM)
            + tf.reduce_mean(tf.square(quantized - latents))
            + tf.reduce_mean(tf.square(nearest - tf.stop_gradient(latents)))
            + 0.25 * tf.reduce_mean(tf.square(tf.stop_gradient(nearest) - latents))
            + entropy_weight * entropy
        )
    return tape.gradient(loss, [latents, codebook])


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_gradient_is_that_of_the_formula(temperature, blocks, monkeypatch):
    if blocks:
        monkeypatch.setattr(soft_codes, "_SCORES_PER_BLOCK", 20)
        monkeypatch.setattr(soft_codes, "_MIN_ROWS_PER_BLOCK", 1)
    layer = quantizer(temperature=temperature, entropy_weight=0.7)
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
        loss = tf.reduce_sum(outputs * UPSTREAM) + sum(layer.losses)
    received = tape.gradient(loss, [latents, layer.codebook_offset.value])
    for a, b in zip(received, formula(temperature, 0.7), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def to_codes(layer, latents, upstream):
    with tf.GradientTape() as tape:
        outputs = layer(latents, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    return tape.gradient(loss, layer.codebook_offset.value).numpy()


def test_one_latent_moves_every_code():
    moved = to_codes(quantizer(temperature=4.0), LATENTS[:1], UPSTREAM[:1])
    assert np.abs(moved).max(axis=1).min() > 1e-4


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dim", [2, 64])
def test_the_softmax_is_neither_flat_nor_on_one_code(scale, dim):
    latents = scale * batch(1, 256, 3) @ batch(2, 3, dim)
    layer = IndexBackpropagationQuantizer(64, dim, entropy_weight=1.0, seed=1)
    layer(latents, training=True)
    unit = soft_codes.distance_unit(latents, layer(latents).numpy())
    p = tf.nn.softmax(-soft_codes.squared_distances(latents, layer.codebook) / unit)
    entropy = -np.sum(p * np.log(np.maximum(p, 1e-30)), axis=1)
    assert 2 < np.exp(entropy.mean()) < 32


def test_the_first_batch_places_the_codes_near_latents():
    layer = IndexBackpropagationQuantizer(8, 2, seed=1)
    latents = 100 + 5 * batch(1, 64, 2)
    layer(latents, training=True)
    codebook = np.asarray(layer.codebook)
    assert float(layer.started.numpy()) == 1
    gaps = np.abs(codebook[:, None] - latents[None]).max(-1).min(1)
    assert 0 < gaps.max() < 3
    layer(latents + 1000, training=True)
    np.testing.assert_array_equal(layer.codebook, codebook)


def test_more_codes_than_latents_start_apart():
    layer = IndexBackpropagationQuantizer(64, 2, seed=1)
    layer(batch(1, 8, 2), training=True)
    assert len(np.unique(np.asarray(layer.codebook), axis=0)) == 64


def test_noise_decodes_the_perturbed_code_and_commits_to_the_nearest():
    layer = quantizer(commitment_cost=1.0, assignment=NextCode())
    noisy = CODEBOOK[(CODES + 1) % 5]
    np.testing.assert_array_equal(layer(LATENTS, training=True), noisy)
    distance = np.square(LATENTS - noisy).mean()
    losses = [float(x) for x in layer.losses]
    assert losses == pytest.approx([distance, MEAN_SQUARE, distance], rel=1e-5)
    np.testing.assert_array_equal(layer(LATENTS), CODEBOOK[CODES])


def test_training_brings_codes_into_use_that_a_plain_quantizer_leaves_idle():
    latents, start = batch(1, 512, 8), 0.5 + 0.1 * batch(2, 128, 8)
    used = []
    for make in (VectorQuantizer, IndexBackpropagationQuantizer):
        layer = make(128, 8, codebook_init="zeros")
        model = keras.Sequential([keras.Input((8,)), layer])
        model.trainable_weights[0].assign(start)
        compiled(model, keras.optimizers.Adam(0.02), "mse", jit_compile=False)
        model.fit(latents, latents, batch_size=512, epochs=60, verbose=0)
        used.append(len(np.unique(layer.encode(latents))))
    assert used[1] > 1.15 * used[0], used

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GumbelVectorQuantizer, NoisyAssignment
from vqzoo.quantizers import gumbel_vector_quantizer, soft_codes

CASES = [
    Case(
        "GumbelVectorQuantizer",
        lambda: GumbelVectorQuantizer(4, 2, annealing_steps=3, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: GumbelVectorQuantizer(4, 2.0), "embedding_dim=2.0"),
    (lambda: GumbelVectorQuantizer(4, 2, temperature=-1.0), "temperature=-1.0"),
    (
        lambda: GumbelVectorQuantizer(4, 2, final_temperature=0.0),
        "final_temperature=0.0",
    ),
    (lambda: GumbelVectorQuantizer(4, 2, annealing_steps=0), "annealing_steps=0"),
    (lambda: GumbelVectorQuantizer(4, 2, divergence_cost=-1), "_cost=-1"),
    (
        lambda: GumbelVectorQuantizer(4, 2, assignment=NoisyAssignment()),
        "no chosen code.*NoisyAssignment",
    ),
]


def batch(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LATENTS, CODEBOOK, NOISE = batch(1, 9, 2), batch(2, 5, 2), 2 * batch(3, 9, 5)
DISTANCES = np.square(LATENTS[:, None] - CODEBOOK[None]).sum(-1)
NEAREST = CODEBOOK[DISTANCES.argmin(1)]


def quantizer(**options):
    layer = GumbelVectorQuantizer(5, 2, codebook_init="zeros", seed=4, **options)
    layer.build((None, 2))
    layer.codebook_offset.assign(CODEBOOK)
    return layer


def give(noise, monkeypatch):
    """Puts known noise in the place of what a seed gives."""
    known = tf.constant(noise, "float32")
    monkeypatch.setattr(gumbel_vector_quantizer, "_gumbel", lambda shape, seed: known)


def softmax(scores):
    p = np.exp(scores - scores.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_the_temperature_falls_linearly_and_stays():
    layer = quantizer(temperature=0.6, final_temperature=0.1, annealing_steps=5)
    seen = []
    for _ in range(8):
        seen.append(float(layer.current_temperature))
        layer(LATENTS)  # inference counts no step
        layer(LATENTS, training=True)
    np.testing.assert_allclose(seen, [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1], 1e-6)
    assert float(layer.steps.numpy()) == 8


def test_training_gives_the_gumbel_softmax_of_the_distances(monkeypatch):
    give(NOISE, monkeypatch)
    layer = quantizer(temperature=0.5)
    expected = softmax((-DISTANCES + NOISE) / 0.5) @ CODEBOOK
    received = layer(LATENTS, training=True)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_a_low_temperature_gives_the_code_of_the_sample(monkeypatch):
    give(NOISE, monkeypatch)
    layer = quantizer(temperature=1e-5, final_temperature=1e-5)
    drawn = (-DISTANCES + NOISE).argmax(1)
    assert drawn.tolist() != DISTANCES.argmin(1).tolist()
    np.testing.assert_array_equal(layer(LATENTS, training=True), CODEBOOK[drawn])
    np.testing.assert_array_equal(layer(LATENTS), NEAREST)


def test_a_low_temperature_without_noise_gives_the_nearest_code(monkeypatch):
    give(0 * NOISE, monkeypatch)
    layer = quantizer(temperature=1e-5, final_temperature=1e-5)
    np.testing.assert_array_equal(layer(LATENTS, training=True), NEAREST)


def test_codes_are_drawn_with_their_probabilities():
    layer = quantizer(temperature=1e-4, final_temperature=1e-4)
    latents = np.tile(LATENTS[:1], (20_000, 1))
    drawn = layer(latents, training=True).numpy()
    codes = np.abs(drawn[:, None] - CODEBOOK[None]).sum(-1).argmin(1)
    shares = np.bincount(codes, minlength=5) / len(codes)
    np.testing.assert_allclose(shares, softmax(-DISTANCES)[0], atol=0.015)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_by_numpy(training):
    layer = quantizer(commitment_cost=0.5, divergence_cost=0.25)
    layer(LATENTS, training=training)
    q = softmax(-DISTANCES)
    distance = (q * DISTANCES).sum(1).mean() / 2
    divergence = (q * np.log(5 * q)).sum(1).mean() / 2
    expected = [0.5 * distance, 0.25 * divergence]
    np.testing.assert_allclose([float(x) for x in layer.losses], expected, rtol=1e-4)
    terms = {name: float(x) for name, x in layer.loss_terms(LATENTS).items()}
    expected = {"commitment": distance, "divergence": divergence}
    assert terms == pytest.approx(expected, rel=1e-4)


def test_equal_probabilities_have_no_divergence():
    layer = quantizer()
    layer.codebook_offset.assign(0 * CODEBOOK)
    assert float(layer.loss_terms(LATENTS)["divergence"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("blocks", [False, True])
def test_the_gradient_is_that_of_finite_differences_with_the_same_noise(
    blocks, monkeypatch
):
    if blocks:
        monkeypatch.setattr(soft_codes, "_SCORES_PER_BLOCK", 20)
        monkeypatch.setattr(soft_codes, "_MIN_ROWS_PER_BLOCK", 1)
    layer, upstream = quantizer(), batch(5, 9, 2)
    start = layer.seed_generator.state.numpy()

    def loss(latents, codebook):
        layer.seed_generator.state.assign(start)
        layer.steps.assign(0.0)
        layer.codebook_offset.assign(codebook)
        return tf.reduce_sum(layer(latents, training=True) * upstream) + sum(
            layer.losses
        )

    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        value = loss(latents, CODEBOOK)
    received = tape.gradient(value, [latents, layer.codebook_offset.value])
    for seed in range(3):
        steps = batch(seed, 9, 2), batch(seed + 10, 5, 2)
        ends = [
            float(loss(LATENTS + h * steps[0], CODEBOOK + h * steps[1]))
            for h in (-1e-3, 1e-3)
        ]
        slope = sum(np.sum(g * s) for g, s in zip(received, steps))
        assert slope == pytest.approx((ends[1] - ends[0]) / 2e-3, rel=1e-2, abs=2e-2)


def test_blocks_and_steps_draw_other_noise_and_a_seed_repeats_it(monkeypatch):
    monkeypatch.setattr(soft_codes, "_SCORES_PER_BLOCK", 10)
    monkeypatch.setattr(soft_codes, "_MIN_ROWS_PER_BLOCK", 1)
    latents = np.tile(LATENTS[:2], (3, 1))
    layer, again = quantizer(), quantizer()
    first = layer(latents, training=True).numpy().reshape(3, 2, 2)
    assert np.abs(first[0] - first[1]).min() > 0 < np.abs(first[1] - first[2]).min()
    second = layer(latents, training=True).numpy().reshape(3, 2, 2)
    assert np.abs(first - second).min() > 0
    repeated = again(latents, training=True).numpy().reshape(3, 2, 2)
    np.testing.assert_array_equal(repeated, first)

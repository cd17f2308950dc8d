import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, uniform
from vqzoo.layers import NoisyAssignment, SoftVectorQuantizer
from vqzoo.quantizers import soft_codes

CASES = [
    Case(
        "SoftVectorQuantizer",
        lambda: SoftVectorQuantizer(4, 2, codebook_init=uniform()),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "SoftVectorQuantizer-soft-at-inference",
        lambda: SoftVectorQuantizer(
            4, 2, variance_init=0.5, hard_at_inference=False, seed=1
        ),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: SoftVectorQuantizer(-1, 2), "num_embeddings=-1"),
    (lambda: SoftVectorQuantizer(4, 2, variance_init=0.0), "variance_init=0.0"),
    (
        lambda: SoftVectorQuantizer(4, 2, assignment=NoisyAssignment()),
        "no chosen code.*NoisyAssignment",
    ),
]


def batch(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LATENTS, CODEBOOK = batch(1, 9, 3), batch(2, 5, 3)
VARIANCES = np.array([0.2, 0.5, 1.0, 2.0, 0.8], "float32")
DISTANCES = np.square(LATENTS[:, None] - CODEBOOK[None]).sum(-1)


def quantizer(variances=VARIANCES, **options):
    options = {"codebook_init": "zeros", "variance_init": 1.0, **options}
    layer = SoftVectorQuantizer(5, 3, **options)
    layer.build((None, 3))
    layer.codebook_offset.assign(CODEBOOK)
    layer.log_variances.assign(np.log(variances))
    return layer


def posterior():
    """Bayes: the densities of the Gaussians over their sum."""
    densities = np.exp(-DISTANCES / (2 * VARIANCES)) / (2 * np.pi * VARIANCES) ** 1.5
    return densities / densities.sum(1, keepdims=True)


def test_the_weights_are_the_posterior_and_sum_to_one():
    p = quantizer().probabilities(LATENTS.reshape(3, 3, 3)).numpy()
    np.testing.assert_allclose(p.reshape(9, 5), posterior(), rtol=1e-4)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize("blocks", [False, True])
def test_training_gives_the_mean_of_the_codes_and_inference_the_likeliest(
    blocks, monkeypatch
):
    if blocks:
        monkeypatch.setattr(soft_codes, "_SCORES_PER_BLOCK", 20)
        monkeypatch.setattr(soft_codes, "_MIN_ROWS_PER_BLOCK", 1)
    layer, p = quantizer(), posterior()
    soft = layer(LATENTS, training=True)
    np.testing.assert_allclose(soft, p @ CODEBOOK, rtol=1e-4, atol=1e-6)
    codes = p.argmax(1)
    assert codes.tolist() != DISTANCES.argmin(1).tolist()  # variances matter
    assert layer.encode(LATENTS).numpy().tolist() == codes.tolist()
    np.testing.assert_array_equal(layer(LATENTS), CODEBOOK[codes])
    np.testing.assert_array_equal(layer.decode(codes), CODEBOOK[codes])


def test_soft_at_inference_is_what_training_gives():
    layer = quantizer(hard_at_inference=False)
    trained = layer(LATENTS, training=True).numpy()
    np.testing.assert_array_equal(layer(LATENTS), trained)


@pytest.mark.parametrize("variance", [1e-12, 1e-30])
def test_a_vanishing_variance_gives_the_nearest_code_exactly(variance):
    layer = quantizer(np.ones(5), variance_init=variance)
    nearest = CODEBOOK[DISTANCES.argmin(1)]
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
    np.testing.assert_array_equal(outputs, nearest)
    assert np.isfinite(tape.gradient(outputs, latents)).all()


def test_a_vast_variance_gives_the_mean_of_all_codes():
    outputs = quantizer(np.ones(5), variance_init=1e9)(LATENTS, training=True)
    np.testing.assert_allclose(outputs, [CODEBOOK.mean(0)] * 9, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_are_the_distances_to_the_likeliest_code(training):
    layer = quantizer(commitment_cost=0.5)
    layer(LATENTS, training=training)
    expected = np.square(LATENTS - CODEBOOK[posterior().argmax(1)]).mean()
    losses = [float(x) for x in layer.losses]
    assert losses == pytest.approx([expected, 0.5 * expected], rel=1e-5)
    terms = {name: float(x) for name, x in layer.loss_terms(LATENTS).items()}
    assert terms == pytest.approx({"codebook": expected, "commitment": expected})


def test_the_gradient_of_the_output_is_that_of_the_posterior_mean():
    layer, upstream = quantizer(), batch(3, 9, 3)
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        loss = tf.reduce_sum(layer(latents, training=True) * upstream)
    weights = [layer.codebook_offset.value, layer.log_variances.value]
    received = tape.gradient(loss, [latents, *weights])
    wanted = [tf.constant(x, "float64") for x in (LATENTS, CODEBOOK, np.log(VARIANCES))]
    with tf.GradientTape() as tape:
        tape.watch(wanted)
        squares = tf.reduce_sum(tf.square(wanted[0][:, None] - wanted[1][None]), axis=2)
        scores = -squares / (2 * tf.exp(wanted[2])) - 1.5 * wanted[2]
        loss = tf.reduce_sum(tf.nn.softmax(scores) @ wanted[1] * upstream)
    for a, b in zip(received, tape.gradient(loss, wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_first_batch_sets_the_variances_and_no_later_one():
    layer = SoftVectorQuantizer(8, 3, seed=1)
    latents = batch(4, 64, 3)
    layer(latents, training=True)
    assert float(layer.started.numpy()) == 1
    gaps = np.square(latents[:, None] - np.asarray(layer.codebook)[None]).sum(-1)
    expected = gaps.min(1).mean() / 2
    np.testing.assert_allclose(layer.variances, [expected] * 8, rtol=1e-4)
    layer(100 * latents, training=True)
    np.testing.assert_allclose(layer.variances, [expected] * 8, rtol=1e-4)

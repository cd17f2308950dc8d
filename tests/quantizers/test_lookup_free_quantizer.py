import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from vqzoo.layers import LookupFreeQuantizer, NoisyAssignment

CASES = [
    Case(
        "LookupFreeQuantizer",
        lambda: LookupFreeQuantizer(3),
        (random_floats(3, 2, 3, 3),),
    ),
    Case(
        "LookupFreeQuantizer-spherical",
        lambda: LookupFreeQuantizer(5, spherical=True, group_bits=2),
        (random_floats(3, 2, 3, 5),),
    ),
]
REFUSED = [
    (lambda: LookupFreeQuantizer(0), "from 1 to 30.*num_bits=0"),
    (lambda: LookupFreeQuantizer(31), "from 1 to 30.*num_bits=31"),
    (lambda: LookupFreeQuantizer(4, group_bits=17), "group_bits=17"),
    (lambda: LookupFreeQuantizer(4, entropy_weight=-1.0), "entropy_weight=-1.0"),
    (lambda: LookupFreeQuantizer(4, diversity_gamma=-1.0), "_gamma=-1.0"),
    (lambda: LookupFreeQuantizer(4, commitment_cost=-0.5), "cost=-0.5"),
    (lambda: LookupFreeQuantizer(4, inverse_temperature=0.0), "temperature=0.0"),
    (
        lambda: LookupFreeQuantizer(4, assignment=NoisyAssignment()),
        "differ in every bit.*NoisyAssignment",
    ),
]

LATENTS = np.random.default_rng(0).normal(scale=3, size=(30, 4)).astype("float32")


def brute_force(units, length, inverse_temperature):
    """Both entropies from the softmax over all squared distances, N x K."""
    corners = np.array(list(itertools.product([-1, 1], repeat=units.shape[1])))
    # Distances in units of the codes' length in a channel.
    distances = np.square(units[:, None] - length * corners).sum(-1) / length**2
    scores = np.exp(-inverse_temperature * distances)
    p = scores / scores.sum(axis=1, keepdims=True)
    mean = p.mean(axis=0)
    return -(p * np.log(p)).sum(1).mean(), -(mean * np.log(mean)).sum()


def gradient(layer, latents, weights):
    latents = tf.constant(latents)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        loss = tf.reduce_sum(layer(latents, training=True) * weights)
    return tape.gradient(loss, latents).numpy()


def test_codes_are_the_signs_as_a_binary_number_the_first_bit_lowest():
    layer = LookupFreeQuantizer(3)
    latents = np.array([[0.5, -2, 0], [-1, 1, 7], [3, 3, 3], [0, 0, 0]], "float32")
    assert layer.encode(latents).numpy().tolist() == [1, 6, 7, 0]
    expected = [[1, -1, -1], [-1, 1, 1], [1, 1, 1], [-1, -1, -1]]
    assert layer(latents).numpy().tolist() == expected
    assert layer.decode([1, 6, 7, 0]).numpy().tolist() == expected
    assert (layer.num_embeddings, layer.embedding_dim) == (8, 3)


def test_the_codebook_is_the_corners_in_the_order_of_their_indices():
    expected = [[-1, -1], [1, -1], [-1, 1], [1, 1]]
    assert LookupFreeQuantizer(2).codebook.numpy().tolist() == expected
    layer = LookupFreeQuantizer(8)
    np.testing.assert_array_equal(layer.encode(layer.codebook), np.arange(256))


def test_spherical_codes_and_outputs_have_length_one():
    layer = LookupFreeQuantizer(4, spherical=True)
    norms = np.linalg.norm(layer.codebook, axis=-1)
    np.testing.assert_allclose(norms, np.ones(16), rtol=1e-6)
    outputs = layer(LATENTS).numpy()
    np.testing.assert_allclose(np.linalg.norm(outputs, axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(outputs, np.sign(LATENTS) / 2)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("inverse_temperature", [0.3, 1.0])
@pytest.mark.parametrize("training", [False, True])
def test_the_losses_are_those_of_all_codes(spherical, inverse_temperature, training):
    layer = LookupFreeQuantizer(
        4,
        spherical=spherical,
        entropy_weight=0.5,
        diversity_gamma=0.7,
        commitment_cost=2.0,
        inverse_temperature=inverse_temperature,
    )
    layer(LATENTS, training=training)
    exact = LATENTS.astype("float64")
    if spherical:
        units, length = exact / np.linalg.norm(exact, axis=1, keepdims=True), 0.5
    else:
        units, length = exact / np.sqrt(np.square(exact).mean()), 1.0
    single, joint = brute_force(units, length, inverse_temperature)
    entropy = (single - 0.7 * joint) / 4
    commitment = np.square(units / length - np.sign(exact)).mean()
    received = [float(loss) for loss in layer.losses]
    assert received == pytest.approx([0.5 * entropy, 2 * commitment], rel=1e-5)
    terms = {name: float(term) for name, term in layer.loss_terms(LATENTS).items()}
    assert terms == pytest.approx(
        {"entropy": entropy, "commitment": commitment}, rel=1e-5
    )


def test_the_commitment_of_two_latents_by_hand():
    # The root mean square of 3, -1, 1, 1 is the root of 3.
    latents = np.array([[3, -1], [1, 1]], "float32")
    terms = LookupFreeQuantizer(2).loss_terms(latents)
    root = np.sqrt(3)
    expected = ((root - 1) ** 2 + 3 * (1 - 1 / root) ** 2) / 4
    assert float(terms["commitment"]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("spherical", [False, True])
def test_codes_and_losses_do_not_know_the_scale_of_the_latents(spherical):
    layer = LookupFreeQuantizer(4, spherical=spherical)
    expected = {name: float(t) for name, t in layer.loss_terms(LATENTS).items()}
    for scale in (1e-4, 1e4):
        terms = layer.loss_terms(scale * LATENTS)
        received = {name: float(term) for name, term in terms.items()}
        assert received == pytest.approx(expected, rel=1e-4)
        np.testing.assert_array_equal(
            layer.encode(scale * LATENTS), layer.encode(LATENTS)
        )


def test_collapsed_latents_have_the_highest_entropy_loss_and_all_corners_the_lowest():
    layer = LookupFreeQuantizer(3, inverse_temperature=20.0)
    collapsed = layer.loss_terms(np.ones((8, 3), "float32"))
    corners = layer.loss_terms(layer.codebook)
    assert float(collapsed["entropy"]) == pytest.approx(0, abs=1e-6)
    assert float(corners["entropy"]) == pytest.approx(-np.log(2), rel=1e-6)
    assert float(collapsed["commitment"]) == float(corners["commitment"]) == 0


def test_the_gradient_of_the_output_is_that_of_the_latents_over_their_size():
    weights = np.arange(120, dtype="float32").reshape(30, 4) / 100
    size = np.sqrt(np.square(LATENTS).mean())
    units = LATENTS / size
    expected = (weights - units * (units * weights).mean()) / size
    received = gradient(LookupFreeQuantizer(4), LATENTS, weights)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_a_spherical_output_turns_each_latent():
    weights = np.arange(120, dtype="float32").reshape(30, 4) / 100
    norms = np.linalg.norm(LATENTS, axis=1, keepdims=True)
    units = LATENTS / norms
    along = (units * weights).sum(axis=1, keepdims=True)
    received = gradient(LookupFreeQuantizer(4, spherical=True), LATENTS, weights)
    expected = (weights - units * along) / norms
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spherical", [False, True])
def test_the_losses_alone_spread_collapsed_latents_over_the_codes(spherical):
    layer = LookupFreeQuantizer(3, spherical=spherical, entropy_weight=1.0)
    generator = np.random.default_rng(0)
    start = 1 + 0.1 * generator.normal(size=(64, 3))
    latents = tf.Variable(start.astype("float32"))
    assert set(layer.encode(latents).numpy()) == {7}
    for _ in range(150):
        with tf.GradientTape() as tape:
            layer(latents, training=True)
            loss = sum(layer.losses)
        latents.assign_sub(10.0 * tape.gradient(loss, latents))
    assert len(set(layer.encode(latents).numpy())) >= 6


@pytest.mark.parametrize("spherical", [False, True])
def test_zeros_give_finite_losses_and_gradients(spherical):
    layer = LookupFreeQuantizer(4, spherical=spherical)
    latents = tf.zeros((6, 4))
    with tf.GradientTape() as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
        loss = tf.reduce_sum(outputs) + sum(layer.losses)
    assert np.isfinite(tape.gradient(loss, latents).numpy()).all()
    length = 0.5 if spherical else 1
    assert outputs.numpy().tolist() == [[-length] * 4] * 6
    # All bits are even: the two entropies are equal, and each unit is 0, at distance 1.
    terms = {name: float(t) for name, t in layer.loss_terms(latents).items()}
    assert terms == pytest.approx({"entropy": 0, "commitment": 1}, abs=1e-6)


def test_thirty_bits_make_the_largest_code():
    layer = LookupFreeQuantizer(30)
    latents = np.stack([np.ones(30), -np.ones(30)]).astype("float32")
    assert layer.encode(latents).numpy().tolist() == [2**30 - 1, 0]
    np.testing.assert_array_equal(layer.decode([2**30 - 1, 0]), latents)
    assert layer.num_embeddings == 2**30


def test_duplicating_the_batch_changes_no_loss():
    layer = LookupFreeQuantizer(4)
    layer(LATENTS, training=True)
    once = [float(loss) for loss in layer.losses]
    layer(np.concatenate([LATENTS] * 3), training=True)
    assert [float(loss) for loss in layer.losses] == pytest.approx(once, rel=1e-5)

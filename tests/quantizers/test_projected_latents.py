import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, uniform
from vqzoo.layers import ProjectedLatents, ResidualQuantizer, VectorQuantizer
from vqzoo.quantizers.hybrid_latents import project

CASES = [
    Case(
        "ProjectedLatents",
        lambda: ProjectedLatents(VectorQuantizer(4, 2, codebook_init=uniform())),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (
        lambda: ProjectedLatents(ResidualQuantizer([VectorQuantizer(4, 2)])),
        "one code for each latent.*quantizer=",
    ),
    (
        lambda: ProjectedLatents(ProjectedLatents(VectorQuantizer(4, 2))),
        "is hybrid already",
    ),
]

CODEBOOK = np.array([[2, 0], [1, 1], [0, -3], [0, 0]], "float32")
# Nearest codes 0, 1, 2, 3; inner products 5, 3, 6 over squares 4, 2, 9, and 0 over 0.
LATENTS = np.array([[2.5, 0.5], [1, 2], [0.5, -2], [-0.5, 0.1]], "float32")
PROJECTED = np.array([[2.5, 0], [1.5, 1.5], [0, -2], [0, 0]])
EXTRA = (0.5**2 + 2 * 0.5**2 + 1) / 8


def layer(**options):
    quantizer = VectorQuantizer(4, 2, codebook_init="zeros", **options)
    made = ProjectedLatents(quantizer)
    made.build((None, 2))
    quantizer.trainable_weights[0].assign(CODEBOOK)
    return made


@pytest.mark.parametrize("training", [False, True])
def test_the_output_is_the_projection_on_the_code_and_zero_at_a_zero_code(training):
    outputs = layer()(LATENTS, training=training)
    np.testing.assert_allclose(outputs, PROJECTED, atol=1e-6)


def test_the_codes_and_their_vectors_are_those_of_the_quantizer():
    made = layer()
    assert made.encode(LATENTS).numpy().tolist() == [0, 1, 2, 3]
    assert made.decode([2, 1]).numpy().tolist() == [[0, -3], [1, 1]]
    assert np.asarray(made.codebook).tolist() == CODEBOOK.tolist()
    assert (made.num_embeddings, made.embedding_dim) == (4, 2)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_are_the_quantizers_and_the_distance_to_the_code(training):
    made = layer(commitment_cost=0.5)
    made(LATENTS, training=training)
    distance = np.square(LATENTS - CODEBOOK).mean()
    expected = sorted([EXTRA, distance, 0.5 * distance])
    assert sorted(float(x) for x in made.losses) == pytest.approx(expected)
    terms = {name: float(x) for name, x in made.loss_terms(LATENTS).items()}
    expected = {"codebook": distance, "commitment": distance, "projection": EXTRA}
    assert terms == pytest.approx(expected)
    assert made.quantizer.commitment_cost == 0.5


def derivative(function, points, upstream):
    """Central differences of sum(function(points) * upstream), in float64."""
    points, found = points.astype("float64"), np.zeros(points.shape)
    for index in np.ndindex(*points.shape):
        step = np.zeros(points.shape)
        step[index] = 1e-5
        change = function(points + step) - function(points - step)
        found[index] = np.sum(change * upstream) / 2e-5
    return found


def numpy_projection(latents, codes):
    return (
        (latents * codes).sum(-1, keepdims=True)
        * codes
        / (codes**2).sum(-1, keepdims=True)
    )


def test_the_gradient_is_that_of_both_arguments_with_the_code_moving_along():
    latents, codes = LATENTS[:3], CODEBOOK[:3].astype("float64")
    upstream = np.array([[1.0, -2], [3, 0.5], [-1, 2]])
    made, points = layer(), tf.constant(latents)
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = tf.reduce_sum(made(points, training=True) * upstream)
    # Straight-through: a step of the latent is taken for a step of its code.
    expected = derivative(
        lambda z: numpy_projection(z, codes + z - latents), latents, upstream
    )
    np.testing.assert_allclose(tape.gradient(loss, points), expected, atol=1e-4)


def test_the_gradient_is_the_identity_where_latents_lie_on_their_codes():
    points = tf.constant(CODEBOOK[:3])
    upstream = np.arange(1, 7, dtype="float32").reshape(3, 2)
    made = layer()
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = tf.reduce_sum(made(points, training=True) * upstream)
    np.testing.assert_allclose(tape.gradient(loss, points), upstream, rtol=1e-5)


def test_the_extra_loss_pulls_the_latents_along_their_codes_and_moves_no_code():
    made, points = layer(commitment_cost=0.0), tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(points)
        made(points, training=True)
        loss = made.losses[0]
    assert float(loss) == pytest.approx(EXTRA)
    to_latents, to_codes = tape.gradient(
        loss, [points, made.quantizer.weights[0].value]
    )
    numbers = derivative(
        lambda z: np.square(numpy_projection(z, CODEBOOK[:3]) - CODEBOOK[:3]) / 8,
        LATENTS[:3],
        1.0,
    )
    np.testing.assert_allclose(to_latents[:3], numbers, atol=1e-5)
    assert to_latents[3].numpy().tolist() == [0, 0] and to_codes is None
    # Latent 0 lies farther along its code than the code: a step down shortens it.
    assert to_latents[0, 0] > 0 and to_latents[2, 1] > 0 > -to_latents[1, 1]


def test_zero_and_tiny_codes_give_no_nan_and_a_finite_gradient():
    for scale in (0.0, 1e-30, 1e-7):
        points, codes = tf.constant(LATENTS), tf.constant(scale * CODEBOOK)
        with tf.GradientTape() as tape:
            tape.watch([points, codes])
            outputs = project(points, codes)
            loss = keras.ops.sum(outputs)
        assert outputs.numpy().tolist() == np.zeros((4, 2)).tolist() or scale == 1e-7
        for gradient in tape.gradient(loss, [points, codes]):
            assert np.isfinite(gradient).all()

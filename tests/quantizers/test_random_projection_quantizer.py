import keras
import numpy as np
import tensorflow as tf

from tests.helpers.case import Case, random_floats
from tests.helpers.steps import compiled
from vqzoo.layers import RandomProjectionQuantizer

CASES = [
    Case(
        "RandomProjectionQuantizer",
        lambda: RandomProjectionQuantizer(7, 3, 2, seed=1),
        (random_floats(3, 2, 3, 3),),
    ),
]
REFUSED = [
    (lambda: RandomProjectionQuantizer(0, 4), "num_embeddings=0"),
    (lambda: RandomProjectionQuantizer(4, -1), "embedding_dim=-1"),
    (lambda: RandomProjectionQuantizer(4, 4, 0), "codebook_dim=0"),
]

LATENTS = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")


def quantizer(num_embeddings=6, codebook_dim=3, **options):
    layer = RandomProjectionQuantizer(
        num_embeddings, 8, codebook_dim, **{"seed": 1, **options}
    )
    layer.build((None, 8))
    return layer


def test_the_code_is_the_direction_of_the_largest_cosine():
    layer = quantizer(20)
    projected = LATENTS.reshape(-1, 8) @ np.array(layer.projection)
    directions = np.array(layer.directions)
    cosines = projected @ directions.T / np.linalg.norm(directions, axis=1)
    expected = cosines.argmax(axis=1).reshape(4, 5)
    received = layer.encode(LATENTS).numpy()
    assert len(np.unique(received)) > 8
    np.testing.assert_array_equal(received, expected)


def test_codes_by_hand_in_a_plane():
    layer = RandomProjectionQuantizer(4, 3, 2)
    layer.build((None, 3))
    layer.projection.assign([[1, 0], [0, 0], [0, 1]])
    layer.directions.assign([[1, 0], [0, 1], [-1, 0], [0, -1]])
    latents = np.array([[5, 9, 1], [0.1, -7, 0.2], [-1, 0, 0.5], [2, 2, -3]], "float32")
    assert layer.encode(latents).numpy().tolist() == [0, 1, 2, 3]
    expected = [[1, 0, 0], [0, 0, 1], [-1, 0, 0], [0, 0, -1]]
    assert layer(latents).numpy().tolist() == expected
    assert layer.decode([0, 1, 2, 3]).numpy().tolist() == expected
    assert layer.codebook.numpy().tolist() == expected


def test_the_projection_is_orthogonal_and_the_directions_have_length_one():
    layer = quantizer(50)
    projection, directions = np.array(layer.projection), np.array(layer.directions)
    np.testing.assert_allclose(projection.T @ projection, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    assert np.abs(directions.mean(axis=0)).max() < 0.3


def test_decoding_goes_back_through_the_pseudo_inverse():
    layer = quantizer(50)
    directions, projection = np.array(layer.directions), np.array(layer.projection)
    vectors = layer.decode(np.arange(50)).numpy()
    expected = directions @ np.linalg.pinv(projection)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(layer.codebook, expected, atol=1e-5)
    np.testing.assert_array_equal(layer.encode(vectors), np.arange(50))


def test_more_dimensions_than_the_latents_have_go_back_through_the_pseudo_inverse():
    layer = quantizer(10, codebook_dim=12)
    projection = np.array(layer.projection)
    expected = np.array(layer.directions) @ np.linalg.pinv(projection)
    np.testing.assert_allclose(layer.decode(np.arange(10)), expected, atol=1e-5)
    np.testing.assert_array_equal(layer.decode(layer.encode(LATENTS)), layer(LATENTS))


def test_the_length_of_a_latent_changes_no_code():
    layer = quantizer(20)
    expected = layer.encode(LATENTS)
    for scale in (1e-3, 1e3):
        np.testing.assert_array_equal(layer.encode(scale * LATENTS), expected)


def test_training_leaves_projection_and_directions_as_they_were():
    layer = quantizer()
    before = [np.array(w) for w in layer.weights]
    model = keras.Sequential([keras.Input((5, 8)), keras.layers.Dense(8), layer])
    compiled(model, keras.optimizers.SGD(1.0), "mse")
    dense = np.array(model.layers[0].kernel)
    model.fit(LATENTS, LATENTS, epochs=3, verbose=0)
    for old, new in zip(before, layer.weights):
        np.testing.assert_array_equal(new, old)
    assert layer.trainable_weights == [] and layer.losses == []
    assert np.abs(np.array(model.layers[0].kernel) - dense).max() > 0.01


def test_the_gradient_passes_straight_through():
    layer = quantizer()
    latents = tf.constant(LATENTS)
    weights = np.arange(LATENTS.size, dtype="float32").reshape(LATENTS.shape)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        loss = tf.reduce_sum(layer(latents, training=True) * weights)
    sources = [latents, layer.projection.value, layer.directions.value]
    to_latents, to_projection, to_directions = tape.gradient(loss, sources)
    np.testing.assert_array_equal(to_latents, weights)
    assert to_projection is None and to_directions is None


def test_one_seed_makes_one_quantizer():
    first, again, other = quantizer(), quantizer(), quantizer(seed=2)
    for name in ("projection", "directions"):
        value = np.array(getattr(first, name))
        np.testing.assert_array_equal(getattr(again, name), value)
        assert not np.allclose(getattr(other, name), value)


def test_zeros_get_one_code_and_its_vector():
    layer = quantizer()
    zeros = np.zeros((3, 8), "float32")
    (code,) = set(layer.encode(zeros).numpy())
    assert 0 <= code < 6
    np.testing.assert_array_equal(layer(zeros), layer.decode([code] * 3))


def test_normal_latents_use_nearly_all_codes():
    layer = quantizer(64)
    latents = np.random.default_rng(0).normal(size=(4000, 8)).astype("float32")
    assert len(np.unique(layer.encode(latents))) > 57

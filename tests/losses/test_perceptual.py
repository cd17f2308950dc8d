import keras
import numpy as np
import pytest
from keras import ops

from vqzoo import losses, registry

IMAGES = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 16, 16, 3)).astype("float32")


def network(strides=(2, 2)):
    keras.utils.set_random_seed(0)
    images = hidden = keras.Input((16, 16, 3))
    for stride in strides:
        hidden = keras.layers.Conv2D(4, 3, stride, "same", activation="tanh")(hidden)
    features = keras.layers.GlobalAveragePooling2D()(hidden)
    large = keras.initializers.RandomNormal(stddev=30.0)  # so that classes differ
    logits = keras.layers.Dense(5, kernel_initializer=large)(features)
    return keras.Model(images, logits)


def of_numpy(model, images):
    """The features of its two convolutions, of length 1 at each place."""
    outputs = keras.Model(model.input, [x.output for x in model.layers[1:3]])(images)
    features = [ops.convert_to_numpy(x) for x in outputs]
    return [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in features]


@pytest.mark.parametrize("nested", [False, True])
def test_the_distance_is_of_normalized_features_of_each_resolution(nested):
    model = network()
    outer = keras.Sequential([model, keras.layers.Dense(2)]) if nested else model
    outer(IMAGES)
    distance = losses.make_perceptual(outer)
    found = ops.convert_to_numpy(distance(IMAGES, IMAGES[::-1]))
    pairs = zip(of_numpy(model, IMAGES), of_numpy(model, IMAGES[::-1]))
    expected = sum(((a - b) ** 2).sum(-1).mean((1, 2)) for a, b in pairs)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    same = ops.convert_to_numpy(distance(IMAGES, IMAGES))
    np.testing.assert_allclose(same, 0, atol=1e-6)


def test_features_of_one_resolution_are_too_few():
    with pytest.raises(ValueError, match="two resolutions or more, received .* 1"):
        losses.make_perceptual(network((2, 1)))


def test_agreement_is_the_divergence_of_what_the_classifier_says():
    model = network()
    sources = losses.Sources(None, lambda: model)
    divergence = registry.find("losses", "classifier")(sources)
    found = ops.convert_to_numpy(divergence(IMAGES, IMAGES[::-1]))
    logits = ops.convert_to_numpy(model(IMAGES)).astype("float64")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = (shares * np.log(shares / shares[::-1])).sum(-1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found[1] == pytest.approx(0, abs=1e-6) and not model.trainable

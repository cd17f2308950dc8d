import json
import pathlib
import zlib

import keras
import numpy as np
import pytest

from vqzoo.arguments import dtype_policy
from vqzoo.measures import inception_network
from vqzoo.measures.inception import inception_features

REFERENCE = pathlib.Path(__file__).with_name("inception_reference.npz")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network that gives the mean of each channel, 2,048 numbers in all."""
    images = keras.Input((299, 299, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    wide = keras.layers.Dense(2048, kernel_initializer="ones", use_bias=False)(pooled)
    path = tmp_path_factory.mktemp("network") / "network.keras"
    model = keras.Model(images, wide)
    model.save(path)
    model.export(path.parent / "saved", verbose=False)
    return path


@pytest.mark.parametrize("name", ["network.keras", "saved"])
def test_images_arrive_at_their_size_and_range(network, name):
    features = inception_features(network.parent / name)
    images = np.zeros((3, 16, 16, 3), "float32")
    images[1], images[2] = 0.5, -0.5
    found = features(images)
    assert found.shape == (3, 2048)
    # Gray is 127.5 of 255, and 128 in a file of 8 bits.
    np.testing.assert_allclose(found[:, 0], [3 / 255, 3, -3], atol=1e-4)
    np.testing.assert_allclose(features(images[..., :1]), found, atol=1e-4)


def test_what_is_no_such_network_is_refused(network, tmp_path):
    with pytest.raises(FileNotFoundError, match="a .keras file or the folder"):
        inception_features(tmp_path / "nowhere.keras")
    images = keras.Input((299, 299, 3))
    small = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    small.save(tmp_path / "small.keras")
    features = inception_features(tmp_path / "small.keras")
    with pytest.raises(ValueError, match=r"2048 features.*\(2, 3\) for 2 images"):
        features(np.zeros((2, 8, 8, 3), "float32"))


def weights_of(name, shape):
    """Random weights in the place of those that are too large to be kept here."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) == 4:
        return generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
    if name.endswith(("bias", "mean")):
        return generator.normal(0, 0.1, shape)
    return generator.uniform(0.5, 1.5, shape)


@pytest.mark.slow
def test_weights_of_pytorch_give_the_features_of_torch_fidelity(monkeypatch, tmp_path):
    """Those of FeatureExtractorInceptionV3 of torch-fidelity 0.4.0 for these weights.

    It scales and resizes images as the graph of 2015 does.
    """
    reference = np.load(REFERENCE)
    shapes = json.loads(str(reference["shapes"]))
    arrays = {name: weights_of(name, shape) for name, shape in shapes.items()}
    arrays = {name: array.astype("float32") for name, array in arrays.items()}
    monkeypatch.setattr(inception_network, "torch_arrays", lambda *_: arrays)
    images = reference["images"].astype("float32") / 255 - 0.5
    with dtype_policy("mixed_bfloat16"):  # it is float32 under every policy
        features = inception_features(tmp_path / "weights.pth", "legacy")(images)
    assert features.shape == (2, 2048)
    np.testing.assert_allclose(features[:, ::32], reference["features"], rtol=1e-3)
    # pytorch-fid sees other pixels of small images.
    other = inception_features(tmp_path / "weights.pth")(images)
    assert np.abs(other - features).max() > 0.01


def test_other_weights_are_refused_by_the_first_name(monkeypatch):
    monkeypatch.setattr(inception_network, "torch_arrays", lambda *_: {"fc.weight": 1})
    message = "expected Conv2d_1a_3x3.conv.weight in x.pth, .*received fc.weight"
    with pytest.raises(ValueError, match=message):
        inception_network.load("x.pth")

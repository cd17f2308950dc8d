import keras
import numpy as np
import pytest

from vqzoo.measures.inception import inception_features


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
    with pytest.raises(FileNotFoundError, match="expected a .keras file"):
        inception_features(tmp_path / "nowhere.keras")
    images = keras.Input((299, 299, 3))
    small = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    small.save(tmp_path / "small.keras")
    features = inception_features(tmp_path / "small.keras")
    with pytest.raises(ValueError, match=r"2048 features.*\(2, 3\) for 2 images"):
        features(np.zeros((2, 8, 8, 3), "float32"))

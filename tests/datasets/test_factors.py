import numpy as np
import pytest
import tensorflow_datasets as tfds

from vqzoo.datasets import factors, named, preparation, sprites

SIZES = {"label_shape": 3, "label_hue": 4}


class MadeUpFactors(tfds.core.GeneratorBasedBuilder):
    """An image for each combination of a shape and a hue, in no order."""

    VERSION = tfds.core.Version("1.0.0")
    LEFT_OUT = 0

    def _info(self):
        features = {"image": tfds.features.Image(shape=(8, 8, 3))}
        for name, size in SIZES.items():
            features[name] = tfds.features.ClassLabel(num_classes=size)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for place in range(self.LEFT_OUT, 12):
            shape, hue = divmod(place, 4)
            image = np.full((8, 8, 3), (50 * shape, 60 * hue, 7), np.uint8)
            yield place, {"image": image, "label_shape": shape, "label_hue": hue}


class MadeUpHoles(MadeUpFactors):
    """Two combinations have no image."""

    LEFT_OUT = 2


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    """Two made-up data sets among those with known factors; nothing is kept."""
    for name in ("made_up_factors", "made_up_holes"):
        monkeypatch.setitem(factors.STORED_FACTORS, name, ("shape", "hue"))
    monkeypatch.setattr(factors, "WITH_FACTORS", ("sprites", *factors.STORED_FACTORS))
    monkeypatch.setattr(preparation, "_has_network", lambda builder: True)
    yield
    factors.load.cache_clear()


def test_images_are_those_of_their_factors(tmp_path):
    draw, show = factors.load("made_up_factors", (8, 8, 3), tmp_path)
    drawn = draw(300, np.random.default_rng(0))
    assert drawn.shape == (300, 2)
    assert len(np.unique(drawn, axis=0)) == 12
    images = show(drawn)
    assert images.shape == (300, 8, 8, 3) and images.dtype == np.float32
    colors = np.round((images[:, 0, 0] + 0.5) * 255)
    assert np.array_equal(colors[:, 0], 50 * drawn[:, 0])
    assert np.array_equal(colors[:, 1], 60 * drawn[:, 1])
    assert np.array_equal(images, np.broadcast_to(images[:, :1, :1], images.shape))


def test_images_have_the_shape_of_the_model(tmp_path):
    every = np.stack(np.unravel_index(np.arange(12), (3, 4)), axis=1)
    _, show = factors.load("made_up_factors", (4, 4, 1), tmp_path)
    images = show(every)
    assert images.shape == (12, 4, 4, 1)
    luma = 0.299 * 50 * every[:, 0] + 0.587 * 60 * every[:, 1] + 0.114 * 7
    found = (images[:, 0, 0, 0] + 0.5) * 255
    np.testing.assert_allclose(found, luma, atol=0.51)
    with pytest.raises(ValueError, match="at most 8 x 8 pixels, as .* one of 16 x 16"):
        factors.load("made_up_factors", (16, 16, 3), tmp_path)


def test_sprites_are_rendered_in_the_shape_of_the_model():
    draw, show = factors.load("sprites", (32, 32, 3))
    drawn = draw(5, np.random.default_rng(0))
    expected = sprites.images(drawn, 32)
    assert np.array_equal(show(drawn), np.repeat(expected, 3, axis=-1))


def test_a_combination_without_an_image_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="each of the 12 combinations .* found 10"):
        factors.load("made_up_holes", (8, 8, 3), tmp_path)


@pytest.mark.parametrize("name", ["dsprites", "shapes3d"])
def test_data_that_are_not_there_are_an_error_that_helps(name, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "_has_network", lambda builder: False)
    with pytest.raises(FileNotFoundError) as caught:
        factors.load(name, (64, 64, 3), tmp_path)
    message = str(caught.value)
    assert f"tfds build {name} --data_dir=DIR" in message
    assert "--factors=sprites needs no files" in message


@pytest.mark.parametrize(
    ("name", "sizes", "channels"),
    [("dsprites", sprites.FACTOR_SIZES, 1), ("shapes3d", (10, 10, 10, 8, 4, 15), 3)],
)
def test_the_factors_are_those_of_tensorflow_datasets(name, sizes, channels, tmp_path):
    features = named.find_builder(name, tmp_path).info.features
    labels = [f"label_{each}" for each in factors.STORED_FACTORS[name]]
    assert tuple(features[label].num_classes for label in labels) == sizes
    assert set(labels) == {each for each in features if each.startswith("label_")}
    assert features["image"].shape == (64, 64, channels)


def test_the_ones_of_dsprites_are_white():
    image = np.array([[[0], [1]], [[1], [0]]], np.uint8)
    assert named.pixels_of({"image": image}, "dsprites").max() == 255
    assert named.pixels_of({"image": image}, "mnist").max() == 1


def test_what_is_impossible_is_refused():
    with pytest.raises(ValueError, match="expected one of sprites, .* name='cars'"):
        factors.load("cars", (64, 64, 3))
    with pytest.raises(ValueError, match="square images .* received images of 64 x 32"):
        factors.load("sprites", (64, 32, 3))

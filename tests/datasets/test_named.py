import numpy as np
import pytest
import tensorflow_datasets as tfds

from vqzoo import datasets
from vqzoo.datasets import preparation


class _MadeUp(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    SIZES = {"train": 50, "test": 10}
    SHAPE = (28, 28, 1)

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=self.SHAPE),
            "label": tfds.features.ClassLabel(names=["even", "odd"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(name, size)
            for name, size in self.SIZES.items()
        }

    def _generate_examples(self, name, size):
        for index in range(size):
            level = index if name == "train" else 100 + index
            image = np.full(self.SHAPE, level, np.uint8)
            yield index, {"image": image, "label": level % 2}


class MadeUpDigits(_MadeUp):
    """Gray images with train and test."""


class MadeUpTrainOnly(_MadeUp):
    """Gray images without held-out ones."""

    SIZES = {"train": 50}


class MadeUpThree(_MadeUp):
    """Color images with all three splits."""

    SIZES = {"train": 20, "validation": 5, "test": 5}
    SHAPE = (8, 8, 3)

    def _generate_examples(self, name, size):
        start = {"train": 0, "validation": 50, "test": 100}[name]
        for index in range(size):
            image = np.full(self.SHAPE, start + index, np.uint8)
            yield index, {"image": image, "label": 0}


class MadeUpText(tfds.core.GeneratorBasedBuilder):
    """No images at all."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": iter([(0, {"text": "word"})])}

    def _generate_examples(self):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    monkeypatch.setattr(preparation, "_has_network", lambda builder: True)


def _levels(split):
    images, _ = split.arrays()
    middle = images.shape[1] // 2
    return np.round((images[:, middle, middle, 0] + 0.5) * 255).astype(int)


def test_gray_images_are_padded_and_keep_their_labels(tmp_path):
    splits = datasets.load("made_up_digits", data_dir=tmp_path, image_size=32)
    assert splits.image_shape == (32, 32, 1)
    assert splits.class_names == ("even", "odd")
    images, labels = splits.test.arrays()
    assert (images[:, :2] == -0.5).all()
    levels = _levels(splits.test)
    assert sorted(levels) == list(range(100, 110))
    np.testing.assert_array_equal(labels, levels % 2)


def test_only_the_chosen_classes_are_loaded(tmp_path):
    whole = datasets.load("made_up_digits", data_dir=tmp_path)
    splits = datasets.load("made_up_digits", data_dir=tmp_path, classes=("odd",))
    assert splits.class_names == ("odd",)
    images, labels = splits.test.arrays()
    assert labels.tolist() == [0] * 5
    assert sorted(_levels(splits.test)) == [101, 103, 105, 107, 109]
    assert splits.train.size + splits.validation.size == 25
    assert set(_levels(splits.train)) <= set(_levels(whole.train))
    assert splits.fingerprint != whole.fingerprint
    both = datasets.load("made_up_digits", data_dir=tmp_path, classes=("odd", "even"))
    assert both.class_names == ("even", "odd")
    assert both.fingerprint == whole.fingerprint
    with pytest.raises(ValueError, match="of even, odd, received prime"):
        datasets.load("made_up_digits", data_dir=tmp_path, classes=("prime",))


def test_a_missing_validation_split_is_the_end_of_training(tmp_path):
    splits = datasets.load("made_up_digits", data_dir=tmp_path, validation_fraction=0.2)
    builder = tfds.builder("made_up_digits", data_dir=tmp_path)
    stored = tfds.as_numpy(builder.as_dataset(split="train"))
    order = [int(example["image"][0, 0, 0]) for example in stored]
    assert _levels(splits.train).tolist() == order[:40]
    assert _levels(splits.validation).tolist() == order[40:]


def test_a_missing_test_split_is_taken_too(tmp_path):
    splits = datasets.load("made_up_train_only", data_dir=tmp_path)
    parts = [splits.train, splits.validation, splits.test]
    assert [part.size for part in parts] == [40, 5, 5]
    levels = np.concatenate([_levels(part) for part in parts])
    assert sorted(levels) == list(range(50))


def test_three_given_splits_are_kept(tmp_path):
    splits = datasets.load("made_up_three", data_dir=tmp_path)
    assert splits.image_shape == (8, 8, 3)
    assert sorted(_levels(splits.validation)) == list(range(50, 55))
    assert sorted(_levels(splits.test)) == list(range(100, 105))
    again = datasets.load("made_up_three", data_dir=tmp_path)
    assert splits.fingerprint == again.fingerprint


def test_a_data_set_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="feature 'image', made_up_text has text"):
        datasets.load("made_up_text", data_dir=tmp_path)


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="received name='no_such_data_set'"):
        datasets.load("no_such_data_set", data_dir=tmp_path)


def test_without_network_the_error_says_how_to_provide_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "_has_network", lambda builder: False)
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load("cifar10", data_dir=tmp_path)
    message = str(caught.value)
    assert "tfds build cifar10 --data_dir=DIR" in message
    assert f"copy DIR/cifar10 to {tmp_path / 'cifar10'}" in message
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "received image_size=0"),
        ({"channels": 4}, "received channels=4"),
        ({"validation_fraction": 0.0}, "received validation_fraction=0.0"),
    ],
)
def test_impossible_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("photos", **options)


def test_it_is_known_what_data_may_be_used_for_but_not_of_the_users_files():
    for name, entry in datasets.DATASETS.items():
        assert bool(datasets.terms(name)) != entry.is_file
    assert "non-commercial" in datasets.terms("natural_image_net/peacock_butterfly")
    assert "the page of celeb_a in the catalog" in datasets.terms("celeb_a")

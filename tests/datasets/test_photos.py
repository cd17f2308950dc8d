import hashlib

import numpy as np
import pytest

from vqzoo import datasets
from vqzoo.datasets import photos
from vqzoo.datasets.photos import strips


@pytest.fixture(scope="module")
def splits():
    return datasets.load("photos")


def test_the_strips_of_a_photo_share_no_pixel_and_leave_none_out():
    counts = np.zeros((100, 300), int)
    boxes = strips((100, 300), 32, 1, ("validation", "test", "train"))
    for top, left, bottom, right in boxes.values():
        counts[top:bottom, left:right] += 1
    assert (counts == 1).all()
    assert boxes["validation"] == (0, 0, 100, 64)


def test_training_crops_never_touch_held_out_regions(monkeypatch):
    # Pixels which tell the region that they are from take the place of the photos.
    values = {"train": 10, "validation": 20, "test": 30}
    read = photos._read

    def paint(photo, channels):
        image = np.zeros_like(read(photo, channels))
        boxes = strips(image.shape[:2], 64, photo.axis, photo.order)
        for name, (top, left, bottom, right) in boxes.items():
            image[top:bottom, left:right] = values[name]
        return image

    monkeypatch.setattr(photos, "_read", paint)
    painted = datasets.load("photos")
    for name, value in values.items():
        images, _ = getattr(painted, name).arrays(2048)
        assert set(np.round((images + 0.5) * 255).ravel()) == {value}


def test_training_crops_are_cut_from_the_photo_of_their_label_or_its_mirror(splits):
    batch = next(splits.train.batches(64, seed=7).as_numpy_iterator())
    mirrored = 0
    for crop, label in zip(batch["image"][:8], batch["label"][:8], strict=True):
        pixels = np.round((crop + 0.5) * 255).astype(np.uint8)
        photo = photos._read(photos._PHOTOS[label], 3)
        flips = [_contains(photo, pixels), _contains(photo, pixels[:, ::-1])]
        assert any(flips)
        mirrored += flips[1]
    assert 0 < mirrored < 8


def _contains(photo, crop):
    windows = np.lib.stride_tricks.sliding_window_view(photo, (64, 64), axis=(0, 1))
    corners = (windows[..., 0, 0] == crop[0, 0]).all(-1).nonzero()
    found = [photo[y : y + 64, x : x + 64] for y, x in zip(*corners, strict=True)]
    return any(np.array_equal(window, crop) for window in found)


def test_validation_and_test_are_fixed_grids_without_a_common_crop(splits):
    digests = {}
    for name in ("validation", "test"):
        split = getattr(splits, name)
        first, labels = split.arrays()
        shuffled = list(split.batches(split.size, seed=1).as_numpy_iterator())[0]
        order = np.argsort(shuffled["image"].sum((1, 2, 3)), kind="stable")
        expected = np.argsort(first.sum((1, 2, 3)), kind="stable")
        np.testing.assert_array_equal(shuffled["image"][order], first[expected])
        assert sorted(set(labels)) == list(range(len(splits.class_names)))
        digests[name] = {hashlib.sha256(image).digest() for image in first}
    assert splits.test.size == splits.validation.size == len(digests["test"]) == 82
    assert not digests["validation"] & digests["test"]


def test_images_are_floats_from_minus_to_plus_one_half(splits):
    images, _ = splits.test.arrays()
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (-0.5, 0.5)
    assert splits.image_shape == images.shape[1:] == (64, 64, 3)


def test_two_calls_give_the_same_data_and_another_size_gives_other_data(splits):
    again = datasets.load("photos")
    other = datasets.load("photos", image_size=32)
    assert splits.fingerprint == again.fingerprint != other.fingerprint
    for left, right in zip(
        splits.train.batches(512, seed=1), again.train.batches(512, seed=1), strict=True
    ):
        np.testing.assert_array_equal(left["image"], right["image"])


def test_crops_can_be_gray_and_large():
    splits = datasets.load("photos", image_size=128, channels=1)
    images, _ = splits.train.arrays(4)
    assert images.shape == (4, 128, 128, 1)
    assert images.std() > 0.1


def test_crops_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="received image_size=200"):
        datasets.load("photos", image_size=200)


def test_a_missing_photo_is_named(monkeypatch):
    lost = photos._Photo("lost", "skimage", "data/lost.png", 0, photos._FIRST)
    monkeypatch.setattr(photos, "_PHOTOS", (lost,))
    with pytest.raises(
        FileNotFoundError, match="scikit-image to ship .* data/lost.png"
    ):
        datasets.load("photos")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(photos.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install scikit-learn"):
        datasets.load("photos")

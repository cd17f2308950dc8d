import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from vqzoo import datasets
from vqzoo.datasets import Split
from vqzoo.datasets.augmentation import AUGMENTATIONS, augment


def _constant(images):
    """A split which gives its images whatever the seed."""
    tensor = tf.constant(images, tf.float32)
    labels = tf.range(len(images))

    def load(indices, seed):
        return {
            "image": tf.gather(tensor, indices),
            "label": tf.gather(labels, indices),
        }

    return Split(size=len(images), load=load)


def _random(count=32, size=8, channels=3):
    values = np.random.default_rng(0).random((count, size, size, channels)) - 0.5
    return values.astype(np.float32)


def _augmented(names, images, **options):
    split = augment(_constant(images), names, images.shape[1:])
    return split.batches(len(images), **options)


@pytest.mark.parametrize("names", [*[(name,) for name in AUGMENTATIONS], AUGMENTATIONS])
def test_a_run_resumed_at_a_step_sees_the_same_augmented_batches(names):
    split = augment(_constant(_random()), names, (8, 8, 3))
    whole = list(split.batches(8, seed=5, epochs=3).as_numpy_iterator())
    rest = list(split.batches(8, seed=5, epochs=3, start_step=7).as_numpy_iterator())
    for left, right in zip(rest, whole[7:], strict=True):
        np.testing.assert_array_equal(left["image"], right["image"])
        np.testing.assert_array_equal(left["label"], right["label"])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_change_differently_in_every_step_and_stay_in_range(name):
    batches = _augmented([name], _random(), epochs=2).as_numpy_iterator()
    first, second = (batch["image"] for batch in batches)
    assert (first != second).any()
    assert (first != _random()).any()
    assert first.dtype == np.float32
    assert -0.5 <= first.min() < -0.4 < 0.4 < first.max() <= 0.5


def test_flipping_mirrors_about_half_of_the_images():
    images = _random(200)
    batch = next(_augmented(["flip"], images).as_numpy_iterator())["image"]
    kept = np.isclose(batch, images, atol=1e-6).all((1, 2, 3))
    mirrored = np.isclose(batch, images[:, :, ::-1], atol=1e-6).all((1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_cropping_enlarges_another_part_of_every_image():
    ramp = np.linspace(-0.5, 0.5, 16, dtype=np.float32)
    images = np.tile(ramp[None, None, :, None], (64, 16, 1, 3))
    batch = next(_augmented(["crop"], images).as_numpy_iterator())["image"]
    slopes = (batch[:, 0, -1, 0] - batch[:, 0, 0, 0]).round(6)
    assert len(set(slopes)) > 50
    assert (slopes > 0.7).all()
    assert (slopes <= 1).all()
    starts = batch[:, 0, 0, 0]
    assert starts.min() < -0.45
    assert starts.max() > -0.4


def test_color_jitter_shifts_each_image_by_its_own_brightness():
    images = np.zeros((64, 4, 4, 1), np.float32)
    batch = next(_augmented(["color_jitter"], images).as_numpy_iterator())["image"]
    levels = batch[:, 0, 0, 0]
    assert np.ptp(batch, axis=(1, 2, 3)).max() < 1e-6
    assert len(set(levels)) > 50
    assert 0.08 < np.abs(levels).max() <= 0.1


def test_a_reduced_precision_policy_does_not_coarsen_images():
    policy = keras.config.dtype_policy()
    images = _random()
    expected = next(_augmented(AUGMENTATIONS, images).as_numpy_iterator())
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        batch = next(_augmented(AUGMENTATIONS, images).as_numpy_iterator())
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(batch["image"], expected["image"])


def test_only_training_images_are_augmented():
    plain = datasets.load("photos")
    changed = datasets.load("photos", augmentation=["color_jitter"])
    for name in ("validation", "test"):
        left, right = getattr(plain, name), getattr(changed, name)
        np.testing.assert_array_equal(left.arrays(9)[0], right.arrays(9)[0])
    assert (plain.train.arrays(9)[0] != changed.train.arrays(9)[0]).any()
    kept = ("name", "image_shape", "class_names", "fingerprint")
    left, right = (dataclasses.asdict(splits) for splits in (plain, changed))
    assert [left[key] for key in kept] == [right[key] for key in kept]


def test_an_unknown_augmentation_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match=r"received augmentation=\['blur'\]"):
        datasets.load("folder", data_dir="nowhere", augmentation=["flip", "blur"])

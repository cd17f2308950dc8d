import numpy as np
import pytest

from vqzoo.datasets import store


def _rows(count):
    order = np.arange(count)[::-1]
    names = ("train", "validation", "test")
    return dict(zip(names, np.split(order, [count - 4, count - 2]), strict=True))


def _fill(images):
    images[...] = np.arange(images.size, dtype=np.int64).reshape(images.shape) % 251
    return images


def test_small_arrays_stay_in_memory_and_large_ones_are_mapped(tmp_path):
    small = store.allocate((10, 4, 4, 3), tmp_path, memory_limit=480)
    large = store.allocate((10, 4, 4, 3), tmp_path, memory_limit=479)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert list(tmp_path.iterdir()) == []


def test_mapped_images_give_the_batches_of_those_in_memory(tmp_path):
    labels, batches, fingerprints = np.arange(20), [], []
    for limit in (10**6, 0):
        images = _fill(store.allocate((20, 4, 4, 3), tmp_path, memory_limit=limit))
        splits = store.make_splits(images, labels, _rows(20), name="made up")
        batches.append(list(splits.train.batches(5, seed=1).as_numpy_iterator()))
        fingerprints.append(splits.fingerprint)
        spec = splits.train.batches(5, drop_remainder=True).element_spec["image"]
        assert spec.shape == (5, 4, 4, 3)
    assert fingerprints[0] == fingerprints[1]
    for left, right in zip(*batches, strict=True):
        np.testing.assert_array_equal(left["image"], right["image"])
        np.testing.assert_array_equal(left["label"], right["label"])


def test_a_split_gives_the_images_and_labels_of_its_rows():
    images = _fill(np.empty((20, 2, 2, 1), np.uint8))
    splits = store.make_splits(images, np.arange(20) * 10, _rows(20), name="made up")
    test, labels = splits.test.arrays()
    assert labels.tolist() == [10, 0]
    np.testing.assert_allclose(test, images[[1, 0]] / 255 - 0.5, atol=1e-6)


@pytest.mark.parametrize("change", ["pixel", "label", "order", "class"])
def test_the_fingerprint_changes_with_the_content_and_the_order(change):
    def fingerprint(changed):
        images = _fill(np.empty((20, 2, 2, 1), np.uint8))
        labels, rows, names = np.arange(20) % 2, _rows(20), ["a", "b"]
        images[3, 0, 0, 0] += changed == "pixel"
        labels[3] += changed == "label"
        if changed == "order":
            rows["train"] = np.roll(rows["train"], 1)
        if changed == "class":
            names = ["a", "c"]
        return store.make_splits(
            images, labels, rows, name="made up", class_names=names
        ).fingerprint

    assert fingerprint(None) == fingerprint(None) != fingerprint(change)
    assert len(fingerprint(change)) == 64


def test_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="free space for decoded images in cache_dir="):
        store.allocate((1000,), tmp_path, memory_limit=10)
    assert list(tmp_path.iterdir()) == []

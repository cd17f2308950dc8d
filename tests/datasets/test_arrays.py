import io
import struct
import zipfile

import numpy as np
import pytest

from vqzoo import datasets
from vqzoo.datasets.arrays import load_arrays


def pixels(count=40, shape=(8, 8, 3), seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, *shape), np.uint8)


def images_of(splits):
    parts = (splits.train, splits.validation, splits.test)
    return np.concatenate([part.arrays()[0] for part in parts])


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_a_npy_file_gives_its_images_in_three_splits(tmp_path):
    images = pixels()
    np.save(tmp_path / "a.npy", images)
    splits = datasets.load("arrays", data_dir=tmp_path / "a.npy")
    assert splits.image_shape == (8, 8, 3) and splits.class_names == ()
    assert [s.size for s in (splits.train, splits.validation, splits.test)] == [
        32,
        4,
        4,
    ]
    levels = np.rint((images_of(splits) + 0.5) * 255).astype(np.uint8)
    assert {image.tobytes() for image in levels} == {
        image.tobytes() for image in images
    }


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_of_either_range_are_the_images_of_their_levels(tmp_path, shift, dtype):
    images = pixels(shape=(8, 8, 1))
    images[0, 0, 0], images[1, 0, 0] = 0, 255
    floats = (images / 255 - shift).astype(dtype)
    plain = load_arrays(saved(tmp_path / "a.npz", images=images))
    other = load_arrays(saved(tmp_path / "b.npz", images=floats[..., 0]))
    assert plain.fingerprint == other.fingerprint


def test_labels_go_with_their_images_and_have_names(tmp_path):
    images = pixels(30)
    images[:, 0, 0, 0] = np.arange(30)
    labels = np.arange(30) % 3
    path = saved(tmp_path / "a.npz", x=images, y=labels, class_names=["a", "b", "c"])
    splits = load_arrays(path)
    assert splits.class_names == ("a", "b", "c")
    for split in (splits.train, splits.validation, splits.test):
        found, numbers = split.arrays()
        marks = np.rint((found[:, 0, 0, 0] + 0.5) * 255)
        assert np.array_equal(numbers, marks % 3)
    chosen = load_arrays(path, classes=("b",))
    assert chosen.class_names == ("b",)
    marks = np.rint((images_of(chosen)[:, 0, 0, 0] + 0.5) * 255)
    assert sorted(marks) == list(range(1, 30, 3))


@pytest.mark.parametrize("names", ["x_train x_test y_train y_test", None])
def test_the_splits_of_a_file_are_kept(tmp_path, names):
    train, test = pixels(20), pixels(10, seed=1)
    names = names or "train_images test_images train_labels test_labels"
    arrays = (train, test, np.zeros((20, 1), "uint8"), np.ones((10, 1), "uint8"))
    path = saved(tmp_path / "a.npz", **dict(zip(names.split(), arrays)))
    splits = load_arrays(path)
    assert (splits.train.size, splits.validation.size, splits.test.size) == (18, 2, 10)
    images, labels = splits.test.arrays()
    assert np.array_equal(np.rint((images + 0.5) * 255), test) and set(labels) == {1}
    assert splits.class_names == ("0", "1")


def test_size_and_channels_are_those_that_are_asked_for(tmp_path):
    path = saved(tmp_path / "a.npz", images=pixels(shape=(8, 12)))
    assert load_arrays(path).image_shape == (8, 12, 1)
    splits = load_arrays(path, image_size=4, channels=3)
    assert splits.image_shape == (4, 4, 3)
    assert np.ptp(images_of(splits), axis=-1).max() == 0
    square = saved(tmp_path / "b.npz", images=pixels(shape=(28, 28)))
    assert (images_of(load_arrays(square, image_size=32))[:, :2] == -0.5).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"codes": pixels()}, "named images, train_images or x_train .*, found codes"),
        ({"images": pixels(shape=(3, 8, 8))}, "move the channels to the last axis"),
        ({"images": pixels(shape=(8, 8, 4, 3))}, "channels last, .*8, 8, 4"),
        ({"images": pixels(0)}, r"received shape=\(0, 8, 8, 3\)"),
        ({"images": pixels().astype("complex64")}, "ints or floats, .*dtype=complex64"),
        ({"images": np.full((9, 4, 4), np.nan)}, "finite values, received none"),
        ({"images": pixels(), "labels": np.zeros(39, int)}, "labels .* to be 40 ints"),
        ({"images": pixels(), "labels": np.zeros(40)}, "40 ints, .*dtype=float64"),
        ({"images": pixels(), "labels": np.full(40, -1)}, "from 0 to .*-1 to -1"),
        (
            {"images": pixels(), "labels": np.arange(40), "class_names": ["a"]},
            "labels .* from 0 to 0, received 0 to 39",
        ),
        ({"images": np.array([{}], object)}, "allow_pickle"),
        ({"x_train": pixels(), "x_test": pixels(shape=(4, 4, 3))}, "of one shape"),
    ],
)
def test_what_cannot_be_images_is_refused_in_words(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        load_arrays(saved(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize(
    "stored",
    [
        lambda levels: levels.astype("int64"),
        lambda levels: levels.astype("float32"),
        lambda levels: levels / 127.5 - 1,
        lambda levels: levels / 255 - 0.5,
        lambda levels: levels.astype("uint16") * 257,
    ],
)
def test_values_of_any_depth_have_one_scale(tmp_path, stored):
    levels = pixels()
    levels[0, 0, 0] = 0, 255, 0
    found = load_arrays(saved(tmp_path / "a.npz", images=stored(levels)))
    as_bytes = load_arrays(saved(tmp_path / "b.npz", images=levels))
    assert found.fingerprint == as_bytes.fingerprint


def test_images_of_nan_are_left_out_and_bands_are_channels(tmp_path):
    images = np.random.default_rng(0).random((40, 8, 8, 13))
    images[3, 2, 1, 5] = np.nan
    with pytest.warns(UserWarning, match="left out 1 images of NaN: image 3"):
        splits = load_arrays(saved(tmp_path / "a.npz", images=images))
    assert splits.image_shape == (8, 8, 13)
    assert splits.summary["images"] == 39
    assert splits.summary["left_out"]["images not finite"]["examples"] == ["image 3"]


def test_a_header_that_claims_more_than_the_file_has_is_refused(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 64, 64, 3)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", file.getvalue() + b"12")
    with pytest.raises(ValueError, match="claims 12,288,000,000,000 bytes and has"):
        load_arrays(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes(file.getvalue() + b"12")
    with pytest.raises(ValueError, match="is no .npy or .npz file"):
        load_arrays(tmp_path / "a.npy")


def test_damaged_files_are_refused(tmp_path):
    whole = saved(tmp_path / "a.npz", images=pixels(12, (4, 4))).read_bytes()
    for number in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[number] ^= 0xFF
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            splits = load_arrays(tmp_path / "b.npz")
        except ValueError as error:
            assert str(tmp_path) in str(error) or "expected" in str(error)
        else:
            assert splits.image_shape == (4, 4, 1)
    (tmp_path / "c.npy").write_bytes(struct.pack("<I", 7))
    with pytest.raises(ValueError, match="is no .npy or .npz file"):
        load_arrays(tmp_path / "c.npy")


def test_a_missing_file_and_a_missing_flag_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none at"):
        datasets.load("arrays", data_dir=tmp_path / "a.npz")
    with pytest.raises(ValueError, match="expected --data_dir for .*'arrays'"):
        datasets.load("arrays")

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tracemalloc

import numpy as np
import pytest

from vqzoo import datasets
from vqzoo.datasets import decoding
from vqzoo.datasets.folder import load_folder


def _contents(split):
    images, _ = split.arrays()
    return {hashlib.sha256(image).digest() for image in images}


def _splits(splits):
    return (splits.train, splits.validation, splits.test)


def _sizes(splits):
    return tuple(split.size for split in _splits(splits))


def test_a_folder_without_splits_is_split_and_classes_are_its_folders(
    image_folder, make_pixels
):
    splits = datasets.load("folder", data_dir=image_folder)
    assert _sizes(splits) == (80, 10, 10)
    assert splits.class_names == ("cats", "dogs")
    assert splits.image_shape == (8, 8, 3)
    images, labels = zip(*(split.arrays() for split in _splits(splits)), strict=True)
    images = np.round((np.concatenate(images) + 0.5) * 255).astype(np.uint8)
    found = dict(zip(map(bytes, images), np.concatenate(labels), strict=True))
    assert found == {bytes(make_pixels(number)): number % 2 for number in range(100)}


def test_splits_share_no_image_even_if_files_are_copies(image_folder):
    for path in sorted(image_folder.glob("*/*.png")):
        shutil.copy(path, path.with_name(f"copy_of_{path.name}"))
    splits = load_folder(image_folder)
    contents = [_contents(split) for split in _splits(splits)]
    assert _sizes(splits) == (160, 20, 20)
    assert len(set.union(*contents)) == sum(map(len, contents)) == 100


@pytest.mark.parametrize("names", [("train", "test"), ("training", "val", "Test")])
def test_existing_split_folders_are_used(tmp_path, make_pixels, encode, names):
    for number in range(60):
        path = (
            tmp_path / "data" / names[number % len(names)] / "birds" / f"{number}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(make_pixels(number)))
    splits = load_folder(tmp_path)
    assert _sizes(splits) == ((27, 3, 30) if len(names) == 2 else (20, 20, 20))
    assert splits.class_names == ("birds",)
    expected = [make_pixels(n) for n in range(60) if names[n % len(names)] == names[-1]]
    found, _ = splits.test.arrays()
    found = np.round((found + 0.5) * 255).astype(np.uint8)
    assert {bytes(image) for image in found} == {bytes(image) for image in expected}


def test_images_beside_the_split_folders_are_left_out(tmp_path, make_pixels, encode):
    for number in range(20):
        path = tmp_path / ("train", "test")[number % 2] / "birds" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(make_pixels(number)))
    whole = load_folder(tmp_path)
    (tmp_path / "preview.png").write_bytes(encode(make_pixels(99)))
    with pytest.warns(UserWarning, match="left out 1 images .* preview.png"):
        splits = load_folder(tmp_path)
    assert splits.fingerprint == whole.fingerprint


def test_an_archive_gives_the_data_of_its_folder(image_folder, tmp_path):
    whole = load_folder(image_folder)
    for kind in ("gztar", "xztar", "zip"):
        path = shutil.make_archive(str(tmp_path / "packed"), kind, image_folder)
        packed = load_folder(path)
        assert packed.fingerprint == whole.fingerprint
        assert packed.class_names == whole.class_names


def test_the_order_within_an_archive_does_not_matter(image_folder, tmp_path):
    names = sorted(path.relative_to(image_folder) for path in image_folder.glob("*/*"))
    fingerprints = set()
    for order in (names, names[::-1]):
        with tarfile.open(tmp_path / "packed.tar", "w") as archive:
            for name in order:
                archive.add(image_folder / name, str(name))
        fingerprints.add(load_folder(tmp_path / "packed.tar").fingerprint)
    assert len(fingerprints) == 1


def test_another_process_gets_the_same_fingerprint_and_batches(image_folder):
    program = (
        "import sys, hashlib; from vqzoo import datasets;"
        "s = datasets.load('folder', data_dir=sys.argv[1]);"
        "b = s.train.batches(16, seed=4).as_numpy_iterator();"
        "d = hashlib.sha256(b''.join(x['image'].tobytes() for x in b));"
        "print(s.fingerprint, d.hexdigest())"
    )
    command = [sys.executable, "-c", program, str(image_folder)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    splits = datasets.load("folder", data_dir=image_folder)
    batches = splits.train.batches(16, seed=4).as_numpy_iterator()
    digest = hashlib.sha256(b"".join(batch["image"].tobytes() for batch in batches))
    assert output.split() == [splits.fingerprint, digest.hexdigest()]


def test_data_larger_than_memory_give_the_same_batches(
    image_folder, tmp_path, monkeypatch
):
    in_memory = load_folder(image_folder, channels=1)
    allocate = decoding.allocate

    def map_all(shape, cache_dir):
        array = allocate(shape, cache_dir, memory_limit=0)
        assert isinstance(array, np.memmap)
        return array

    monkeypatch.setattr(decoding, "allocate", map_all)
    mapped = load_folder(image_folder, channels=1, cache_dir=tmp_path / "cache")
    assert mapped.fingerprint == in_memory.fingerprint
    for left, right in zip(
        mapped.train.batches(32, seed=1),
        in_memory.train.batches(32, seed=1),
        strict=True,
    ):
        np.testing.assert_array_equal(left["image"], right["image"])


def test_images_of_many_sizes_are_brought_to_one(tmp_path, make_pixels, encode):
    for number in range(12):
        pixels = make_pixels(number, 16 + number, 30 - number)
        (tmp_path / f"{number}.png").write_bytes(encode(pixels))
    assert load_folder(tmp_path, image_size=16).image_shape == (16, 16, 3)
    with pytest.raises(ValueError, match="--image_size.* found 30 x 16 and 29 x 17"):
        load_folder(tmp_path)


def test_gray_images_have_one_channel_unless_three_are_asked_for(tmp_path, encode):
    rng = np.random.default_rng(0)
    for number in range(10):
        pixels = rng.integers(0, 256, (8, 8), np.uint8)
        (tmp_path / f"{number}.png").write_bytes(encode(pixels))
    assert load_folder(tmp_path).image_shape == (8, 8, 1)
    assert load_folder(tmp_path, channels=3).image_shape == (8, 8, 3)


def test_images_without_class_folders_have_no_labels(tmp_path, make_pixels, encode):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encode(make_pixels(number)))
    splits = load_folder(tmp_path)
    assert splits.class_names == ()
    assert list(splits.train.batches(2).element_spec) == ["image"]


def test_an_unreadable_file_is_skipped_counted_and_named(image_folder):
    good = load_folder(image_folder)
    (image_folder / "cats" / "broken.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="1 of 101 .* cats/broken.png"):
        splits = load_folder(image_folder)
    assert splits.fingerprint == good.fingerprint


def test_more_than_one_percent_of_unreadable_files_is_an_error(image_folder):
    for number in range(2):
        (image_folder / "cats" / f"broken{number}.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="at most 1% .* 2 of 102 .* cats/broken0.png"):
        load_folder(image_folder)


def _add_small(folder, encode, make_pixels, count):
    for number in range(count):
        pixels = make_pixels(1000 + number, 4, 5 + number)
        (folder / "cats" / f"small{number}.png").write_bytes(encode(pixels))


def test_images_that_are_too_small_are_skipped_counted_and_named(
    image_folder, make_pixels, encode
):
    good = load_folder(image_folder, image_size=8)
    _add_small(image_folder, encode, make_pixels, 7)
    (image_folder / "dogs" / "tiny.png").write_bytes(encode(make_pixels(0, 2, 3)))
    with pytest.warns(UserWarning) as caught:
        splits = load_folder(image_folder, image_size=8)
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith(
        "left out files: 8 of 108 image files are smaller than 8 x 8 pixels, the "
        "smallest first: dogs/tiny.png: 3 x 2 pixels; cats/small0.png: 5 x 4 pixels; "
    )
    assert message.endswith("; and 3 more") and "\n" not in message
    assert splits.fingerprint == good.fingerprint
    assert splits.class_names == ("cats", "dogs")
    with pytest.raises(ValueError, match="--image_size, as the images have different"):
        load_folder(image_folder)


def test_small_and_unreadable_files_are_left_out_together(
    image_folder, make_pixels, encode
):
    good = load_folder(image_folder, image_size=8)
    _add_small(image_folder, encode, make_pixels, 1)
    (image_folder / "cats" / "broken.png").write_bytes(b"broken")
    with pytest.warns(UserWarning) as caught:
        splits = load_folder(image_folder, image_size=8)
    found = [str(warning.message) for warning in caught]
    assert "1 of 102 image files are smaller" in found[0]
    assert "1 of 102 image files are unreadable" in found[1]
    assert splits.fingerprint == good.fingerprint


def test_an_error_says_that_most_images_are_too_small(
    image_folder, make_pixels, encode
):
    _add_small(image_folder, encode, make_pixels, 101)
    message = (
        "at most 50% images smaller than 8 x 8 pixels.* 101 of 201 .* "
        "cats/small0.png: 5 x 4 pixels; .* and 96 more"
    )
    with pytest.raises(ValueError, match=message):
        load_folder(image_folder, image_size=8)


def test_a_split_of_which_nothing_is_left_is_an_error(tmp_path, make_pixels, encode):
    for number in range(30):
        split, side = ("test", 4) if number % 3 == 0 else ("train", 8)
        path = tmp_path / split / "birds" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(make_pixels(number, side, side)))
    with (
        pytest.warns(UserWarning, match="10 of 30"),
        pytest.raises(ValueError, match="each split, found none of test: .*image_size"),
    ):
        load_folder(tmp_path, image_size=8)


@pytest.fixture
def zoo(tmp_path, make_pixels, encode):
    """12 images of each of three classes."""
    for number in range(36):
        path = tmp_path / "zoo" / ("ant", "bee", "cow")[number % 3] / f"{number}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(encode(make_pixels(number)))
    return tmp_path / "zoo"


def test_only_the_chosen_classes_are_loaded(zoo, make_pixels):
    splits = datasets.load("folder", data_dir=zoo, classes=("cow", "ant"))
    assert splits.class_names == ("ant", "cow")
    images, labels = zip(*(split.arrays() for split in _splits(splits)), strict=True)
    images = np.round((np.concatenate(images) + 0.5) * 255).astype(np.uint8)
    found = dict(zip(map(bytes, images), np.concatenate(labels), strict=True))
    expected = {n: n % 3 // 2 for n in range(36) if n % 3 != 1}
    assert found == {bytes(make_pixels(n)): label for n, label in expected.items()}
    shutil.rmtree(zoo / "bee")
    assert load_folder(zoo).fingerprint == splits.fingerprint


def test_another_choice_of_classes_is_other_data(zoo):
    choices = [(), ("ant",), ("bee",), ("ant", "bee"), ("ant", "bee", "cow")]
    found = [load_folder(zoo, classes=classes).fingerprint for classes in choices]
    assert len(set(found)) == 4 and found[0] == found[4]
    again = load_folder(zoo, classes=("bee", "ant", "bee"))
    assert again.fingerprint == found[3]


def test_classes_are_chosen_within_split_folders(tmp_path, make_pixels, encode):
    for number in range(40):
        path = tmp_path / ("train", "test")[number % 2] / "abcd"[number // 10]
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{number}.png").write_bytes(encode(make_pixels(number)))
    splits = load_folder(tmp_path, classes=("d", "a"))
    assert _sizes(splits) == (9, 1, 10)
    assert splits.test.arrays()[1].tolist() == [0] * 5 + [1] * 5
    assert splits.class_names == ("a", "d")


def test_an_unknown_class_is_refused_with_those_that_there_are(zoo):
    message = "expected --classes to be of ant, bee, cow, received cat, dog"
    with pytest.raises(ValueError, match=message):
        load_folder(zoo, classes=("bee", "cat", "dog"))
    (zoo / "loose.png").write_bytes(next((zoo / "ant").iterdir()).read_bytes())
    with pytest.raises(ValueError, match=message):
        load_folder(zoo, classes=("bee", "cat", "dog"))
    assert load_folder(zoo, classes=("bee",)).class_names == ("bee",)


def test_classes_of_data_without_any_are_refused(tmp_path, make_pixels, encode):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encode(make_pixels(number)))
    with pytest.raises(ValueError, match="--classes to be empty for data without"):
        load_folder(tmp_path, classes=("cat",))
    for name in ("photos", "sprites"):
        with pytest.raises(ValueError, match=f"--classes to be empty .*{name}"):
            datasets.load(name, classes=("cat",))


def test_a_chosen_class_of_which_nothing_is_left_is_an_error(zoo, make_pixels, encode):
    for path in (zoo / "bee").iterdir():
        path.write_bytes(encode(make_pixels(int(path.stem), 4, 4)))
    with pytest.warns(UserWarning, match="12 of 36"):
        assert load_folder(zoo, image_size=8).class_names == ("ant", "cow")
    with (
        pytest.warns(UserWarning, match="12 of 24"),
        pytest.raises(ValueError, match="each class, found none of bee"),
    ):
        load_folder(zoo, image_size=8, classes=("ant", "bee"))


@pytest.mark.parametrize(
    ("files", "found"), [((), "found 0 files"), (("a.txt", "b.csv"), "1 .txt, 1 .csv")]
)
def test_a_folder_without_images_is_an_error(tmp_path, files, found):
    for name in files:
        (tmp_path / name).write_text("text")
    with pytest.raises(ValueError, match=f"expected images .*{found}"):
        load_folder(tmp_path)


def test_a_folder_of_broken_images_only_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    for image_size in (None, 8):
        with pytest.raises(ValueError, match="readable"):
            load_folder(tmp_path, image_size=image_size)


def test_a_path_is_needed():
    with pytest.raises(ValueError, match="--data_dir"):
        datasets.load("folder")


def _idx(values):
    shape = np.array(values.shape, ">i4").tobytes()
    return bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        data = {"images-idx3": _idx(images), "labels-idx1": _idx(labels)}
        for kind, content in data.items():
            path = tmp_path / f"{split}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(content))
    return tmp_path


def test_idx_files_are_read_with_their_labels_and_splits(idx_folder):
    splits = load_folder(idx_folder)
    assert _sizes(splits) == (36, 4, 20)
    assert splits.image_shape == (28, 28, 1)
    assert splits.class_names == tuple("0123456789")
    assert splits.test.arrays()[1].tolist() == list(range(10)) * 2


def test_classes_of_idx_files_are_chosen_by_their_numbers(idx_folder):
    whole = load_folder(idx_folder)
    splits = load_folder(idx_folder, classes=("7", "2"))
    assert splits.class_names == ("2", "7")
    assert splits.train.size + splits.validation.size == 8
    images, labels = splits.test.arrays()
    assert labels.tolist() == [0, 1, 0, 1]
    np.testing.assert_array_equal(images, whole.test.arrays()[0][[2, 7, 12, 17]])
    with pytest.raises(ValueError, match="--classes to be of 0, 1, 2, .*received 10"):
        load_folder(idx_folder, classes=("10",))


def test_idx_images_are_padded_to_32(idx_folder):
    small, _ = load_folder(idx_folder).test.arrays()
    large, _ = load_folder(idx_folder, image_size=32).test.arrays()
    np.testing.assert_array_equal(large[:, 2:30, 2:30], small)
    assert (large[:, :2] == -0.5).all()
    with pytest.raises(ValueError, match="64 x 64 pixels, found 28 x 28"):
        load_folder(idx_folder, image_size=64)


def test_plain_idx_files_equal_gzipped_ones(idx_folder):
    zipped = load_folder(idx_folder)
    for path in idx_folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_folder(idx_folder).fingerprint == zipped.fingerprint


@pytest.mark.parametrize("damage", ["type", "truncate", "gzip"])
def test_a_broken_idx_file_is_named(idx_folder, damage):
    path = idx_folder / "train-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[2] = 0x0D if damage == "type" else 8
    data = gzip.compress(bytes(content[:-1] if damage == "truncate" else content))
    path.write_bytes(data[: len(data) // 2] if damage == "gzip" else data)
    with pytest.raises(ValueError, match="expected an IDX file.*train-images-idx3"):
        load_folder(idx_folder)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("shape", "count", "text"),
    [
        ((-1, 4, 4), 16, r"says a shape of \(-1, 4, 4\)"),
        ((0, 4, 4), 0, r"says a shape of \(0, 4, 4\)"),
        ((4, 4, 4, 2), 128, r"says a shape of \(4, 4, 4, 2\)"),
        ((16,), 16, r"expected 3 or 4 axes, received \[1\]"),
        ((4, 4), 16, r"expected 3 or 4 axes, received \[2\]"),
        ((1, 4, 4, 1, 1), 16, r"expected 3 or 4 axes, received \[5\]"),
        ((2, 4, 4), 31, "holds less than 32 values"),
        ((2, 4, 4), 33, "holds more than 32 values"),
        ((3, 2**15, 2**15), 9, "expected at most 268,435,456 bytes .*--max_bytes"),
        ((2**31 - 1,) * 3, 9, "expected at most 268,435,456 bytes .*--max_bytes"),
    ],
)
def test_an_idx_file_is_held_to_what_its_header_says(
    shape, count, text, suffix, tmp_path
):
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
    data = head + bytes(count)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(ValueError, match=text):
        load_folder(tmp_path)


def test_a_gzipped_idx_file_that_never_ends_is_read_no_further_than_it_says(tmp_path):
    head = bytes([0, 0, 8, 3]) + np.array([4, 4, 4], ">i4").tobytes()
    data = gzip.compress(head + bytes(2**26), 1)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ValueError, match="holds more than 64 values"):
        load_folder(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_labels_of_another_number_than_images_are_refused(idx_folder):
    labels = gzip.compress(_idx(np.zeros(39, np.uint8)))
    (idx_folder / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(ValueError, match="expected 40 labels"):
        load_folder(idx_folder)


@pytest.mark.data
def test_fashion_mnist_has_its_official_splits(data_dir):
    splits = load_folder(data_dir / "fashion-mnist", image_size=32)
    assert _sizes(splits) == (54_000, 6_000, 10_000)
    assert np.bincount(splits.test.arrays()[1]).tolist() == [1000] * 10
    contents = [_contents(split) for split in _splits(splits)]
    assert len(set.union(*contents)) == sum(map(len, contents))


@pytest.mark.data
@pytest.mark.slow
def test_cifar_is_read_whole_from_its_archive(data_dir):
    splits = load_folder(data_dir / "cifar10_jpeg.tar.xz")
    assert _sizes(splits) == (45_000, 5_000, 10_000)
    assert splits.class_names[0] == "airplane"
    assert np.bincount(splits.test.arrays()[1]).tolist() == [1000] * 10
    contents = [_contents(split) for split in _splits(splits)]
    assert len(set.union(*contents)) == sum(map(len, contents))


@pytest.mark.data
def test_a_few_photographs_that_are_too_small_are_left_out(data_dir):
    path = data_dir / "caltech101_nature.tar"
    with pytest.warns(UserWarning, match="11 of 2779 .* flamingo/image_0002.jpg: 80 x"):
        splits = load_folder(path, image_size=128)
    assert sum(_sizes(splits)) == 2768
    assert len(splits.class_names) == 44
    splits = load_folder(path, image_size=64, classes=("panda", "emu", "Leopards"))
    assert sum(_sizes(splits)) == 200 + 53 + 38
    assert splits.class_names == ("Leopards", "emu", "panda")


@pytest.mark.data
def test_photographs_of_all_sizes_and_modes_are_read(data_dir):
    path = data_dir / "caltech101_nature.tar"
    splits = load_folder(path, image_size=64)
    assert sum(_sizes(splits)) == 2779
    assert len(splits.class_names) == 44
    images, _ = splits.test.arrays()
    assert images.min() == -0.5
    assert 0.15 < images.std() < 0.35

import io
import itertools
import json
import os
import platform
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from vqzoo.datasets import Split, Splits, codes

SIZES = {"train": 21, "validation": 5, "test": 6}
NUM_EMBEDDINGS = {"top": 7, "bottom": 100_000}


def image_splits(fingerprint="images", labels=True):
    """Images whose pixels all hold the image's index in its split."""

    def split(size):
        def load(indices, seed):
            values = tf.cast(indices, tf.float32)[:, None, None, None]
            batch = {"image": tf.broadcast_to(values, (tf.size(indices), 4, 4, 1))}
            if labels:
                batch["label"] = tf.cast(indices % 3, tf.int32)
            return batch

        return Split(size=size, load=load)

    return Splits(
        **{name: split(size) for name, size in SIZES.items()},
        name="made up",
        image_shape=(4, 4, 1),
        class_names=("a", "b", "c") if labels else (),
        fingerprint=fingerprint,
    )


def encode(images):
    values = np.asarray(images)[..., 0].astype("int64")
    return values[:, ::4, ::4] % 7, values[:, ::2, ::2] * 4001


def extract(folder, function=encode, splits=None, **options):
    options = {"model": "m", "num_embeddings": NUM_EMBEDDINGS, **options}
    return codes.extract(
        function, splits or image_splits(), folder, batch_size=4, **options
    )


def test_extracted_codes_are_those_of_the_images_in_their_order(tmp_path):
    found = extract(tmp_path)
    for name, size in SIZES.items():
        arrays = found.arrays(name)
        index = np.arange(size)
        assert arrays["top"][:, 0, 0].tolist() == (index % 7).tolist()
        assert arrays["bottom"][:, 1, 1].tolist() == (index * 4001).tolist()
        assert arrays["label"].tolist() == (index % 3).tolist()
    assert found.tier_shapes == {"top": (1, 1), "bottom": (2, 2)}
    assert found.class_names == ("a", "b", "c")
    assert arrays["top"].dtype == np.uint16 and arrays["bottom"].dtype == np.int32


def test_shuffled_batches_hold_every_image_once_with_its_own_codes(tmp_path):
    batches = list(extract(tmp_path).train.batches(4, seed=3).as_numpy_iterator())
    bottom = np.concatenate([batch["bottom"][:, 0, 0] for batch in batches])
    index = bottom // 4001
    assert sorted(index) == list(range(21)) and list(index) != list(range(21))
    labels = np.concatenate([batch["label"] for batch in batches])
    assert labels.tolist() == (index % 3).tolist()
    assert batches[0]["top"].dtype == np.int32


def test_numbers_beside_codes_are_kept_and_come_with_them(tmp_path):
    def with_numbers(images):
        top, bottom = encode(images)
        return top, bottom, np.stack([bottom / 2, -bottom], -1)

    more = {"num_values": {"bottom": 2}}
    found = extract(tmp_path, with_numbers, **more)
    arrays = found.arrays("train")
    assert arrays["bottom_values"].shape == (21, 2, 2, 2)
    assert arrays["bottom_values"].dtype == np.float32
    assert codes.load(tmp_path).num_values == found.num_values == more["num_values"]
    (batch,) = found.test.batches(6).as_numpy_iterator()
    assert set(batch) == {"top", "bottom", "label"} and batch["top"].dtype == np.int32
    bottom = batch["bottom"]
    assert bottom.shape == (6, 2, 2, 3) and bottom.dtype == np.float32
    np.testing.assert_array_equal(bottom[..., 0], found.arrays("test")["bottom"])
    np.testing.assert_array_equal(bottom[..., 0], -bottom[..., 2])
    np.testing.assert_array_equal(found.rows("test", [1, 3])["bottom"], bottom[[1, 3]])
    with pytest.raises(ValueError, match="the same num_values"):
        extract(tmp_path, with_numbers, num_values={"bottom": 1})


def test_without_labels_there_is_no_label(tmp_path):
    found = extract(tmp_path, splits=image_splits(labels=False))
    assert set(found.arrays("test")) == {"top", "bottom"}


def stopped_at(count):
    """`encode`, which is stopped at that call."""
    calls = itertools.count(1)

    def stopping(images):
        if next(calls) == count:
            raise KeyboardInterrupt
        return encode(images)

    return stopping


def test_a_stopped_extraction_goes_on_and_a_finished_one_encodes_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(codes, "_STEPS_A_SAVE", 2)
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path, stopped_at(4))
    with pytest.raises(ValueError, match="received 8 of 21: extract the rest"):
        codes.load(tmp_path)
    rest = []
    found = extract(tmp_path, lambda images: rest.append(len(images)) or encode(images))
    assert sum(rest) == sum(SIZES.values()) - 8
    arrays = found.arrays("train")
    assert arrays["bottom"][:, 0, 0].tolist() == [4001 * i for i in range(21)]
    assert extract(tmp_path, None).arrays("test")["label"].tolist() == [0, 1, 2] * 2


def test_codes_of_another_model_or_of_other_images_are_refused(tmp_path):
    extract(tmp_path)
    with pytest.raises(ValueError, match="same model .*'m' there and 'other' here"):
        extract(tmp_path, model="other")
    with pytest.raises(ValueError, match="same data .*choose another folder"):
        extract(tmp_path, splits=image_splits("others"))
    with pytest.raises(ValueError, match="codes of the model other, received .* m in"):
        codes.load(tmp_path, model="other")
    assert codes.load(tmp_path, model="m").data == "images"


def test_a_code_that_is_not_in_its_codebook_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"top tier in \[0, 7\).* from 0 to 12003"):
        extract(tmp_path, lambda images: encode(images)[1:] * 2)


def test_no_codes_a_damaged_header_and_a_truncated_file_are_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected codes in .*received none"):
        codes.load(tmp_path)
    extract(tmp_path)
    path = tmp_path / "train_bottom.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match="21 images in .*train_bottom.npy.*again"):
        codes.load(tmp_path)
    np.save(path, np.zeros((20, 2, 2), "int32"))
    with pytest.raises(ValueError, match=r"\(21, 2, 2\).*shape=\(20, 2, 2\)"):
        codes.load(tmp_path)
    path.write_bytes(whole)
    header = json.loads((tmp_path / codes.HEADER).read_text())
    (tmp_path / codes.HEADER).write_text(json.dumps(header)[:-9])
    with pytest.raises(ValueError, match="expected JSON .* damaged"):
        codes.load(tmp_path)
    (tmp_path / codes.HEADER).write_text('["top"]')
    with pytest.raises(ValueError, match="expected JSON .* damaged file .no object"):
        codes.load(tmp_path)


def in_a_thread(results, function, *arguments):
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    return thread


def test_who_comes_second_waits_and_reads_what_the_first_wrote(tmp_path, monkeypatch):
    # What pytest captures is emptied when it is read, which loses what a thread prints
    # in that moment.
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    began, go_on, results = threading.Event(), threading.Event(), []

    def slowly(images):
        began.set()
        assert go_on.wait(60)
        return encode(images)

    threads = [in_a_thread(results, extract, tmp_path, slowly)]
    assert began.wait(60)
    threads.append(in_a_thread(results, extract, tmp_path, None))
    owner = f"process {os.getpid()} on {platform.node()}"
    while f"waiting for {owner}, which writes" not in errors.getvalue():
        assert threads[1].is_alive()
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(60)
    for found in results:
        bottom = found.arrays("train")["bottom"]
        assert bottom[:, 0, 0].tolist() == [4001 * i for i in range(21)]
    assert len(results) == 2
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.suffix == ".part") == []


@pytest.mark.parametrize("key", ["top", "bottom", "label"])
def test_a_file_that_was_altered_is_refused_by_its_checksum(key, tmp_path):
    extract(tmp_path)
    path = tmp_path / f"validation_{key}.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + bytes(4))
    with pytest.raises(ValueError, match=f"validation_{key}.npy as it was written"):
        codes.load(tmp_path)
    with pytest.raises(ValueError, match="another checksum: remove its folder"):
        extract(tmp_path)
    # Folders of earlier versions have no sums.
    header = json.loads((tmp_path / codes.HEADER).read_text())
    for split in header["splits"].values():
        del split["sums"]
    (tmp_path / codes.HEADER).write_text(json.dumps(header))
    assert codes.load(tmp_path).train.size == 21


def test_a_split_whose_begun_files_are_gone_is_extracted_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(codes, "_STEPS_A_SAVE", 1)
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path, stopped_at(3))
    (tmp_path / "train_top.part").rename(tmp_path / "train_top.npy")
    bottom = extract(tmp_path).arrays("train")["bottom"]
    assert bottom[:, 0, 0].tolist() == [4001 * i for i in range(21)]

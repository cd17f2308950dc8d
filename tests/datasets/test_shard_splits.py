import concurrent.futures
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import shards as write
from vqzoo import datasets
from vqzoo.datasets import shard_index, shard_stream
from vqzoo.datasets.shard_order import MIXED, Order

COUNTS = (12, 9, 12, 12, 7, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six tars, and others of 6 records for tests."""
    folder = tmp_path_factory.mktemp("shards")
    for number, count in enumerate(COUNTS):
        rows = write.records(20 * number, count)
        write.tar(folder / f"train-{number}.tar", rows)
        write.parquet(folder / f"train-{number}.parquet", rows)
        write.tfrecord(folder / f"train-{number}.tfrecord", rows)
    write.tar(folder / "test-0.tar", write.records(300, 6))
    return folder


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """A cache folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def load(folder, pattern="train-*.tar", **options):
    options = {"shuffle_window": 10, **options}
    return datasets.load("shards", data_dir=f"{folder}/{pattern}", **options)


def numbers(batches):
    """The numbers of the images in batches, which their colors tell."""
    levels = [np.rint(255 * (batch["image"] + 0.5)).astype(int) for batch in batches]
    return [(some[:, 0, 0, 0] + 256 * some[:, 0, 0, 1]).tolist() for some in levels]


def epochs(split, batch_size=4, seed=0, **options):
    return numbers(split.batches(batch_size, seed=seed, **options).as_numpy_iterator())


def every(split):
    return sorted(sum(epochs(split), []))


@pytest.fixture(scope="module")
def splits(folder):
    """Those of the tars, with test shards of their own."""
    return load(folder, test_shards=f"{folder}/test-*.tar")


def test_every_image_is_on_one_side(splits):
    parts = [every(getattr(splits, name)) for name in ("train", "validation", "test")]
    there = [20 * n + k for n, count in enumerate(COUNTS) for k in range(count)]
    assert sorted(parts[0] + parts[1]) == there
    assert parts[2] == list(range(300, 306))
    assert splits.image_shape == (8, 8, 3)
    assert splits.class_names == ("0", "1", "2")
    batch = next(splits.test.batches(4).as_numpy_iterator())
    assert batch["label"].tolist() == [0, 1, 2, 0]
    assert splits.train.arrays(limit=3)[0].shape == (3, 8, 8, 3)


def test_all_formats_give_the_same_batches(folder):
    found = [
        epochs(load(folder, f"train-*.{kind}").train)
        for kind in ("tar", "parquet", "tfrecord")
    ]
    assert found[0] == found[1] == found[2]


def test_the_side_of_a_key_does_not_change_with_the_shards(folder, splits):
    few = load(folder, "train-[0-2].tar", test_shards=f"{folder}/test-*.tar")
    assert set(every(few.validation)) == {
        number for number in every(splits.validation) if number < 60
    }
    other = load(folder, seed=1, test_shards=f"{folder}/test-*.tar")
    assert every(other.validation) != every(splits.validation)


def test_the_shares_of_the_sides_are_those_asked_for():
    keys = np.random.default_rng(0).integers(0, 2**63, 100_000).astype(np.uint64)
    found = np.bincount(shard_index.sides(keys, 0, (0.09, 0.1)), minlength=3) / 1e5
    np.testing.assert_allclose(found, (0.81, 0.09, 0.1), atol=0.004)
    # The sides of these keys must never change: models are compared on them.
    assert shard_index.sides(np.arange(9, dtype=np.uint64), 0, (0.3, 0.3)).tolist() == (
        [0, 2, 2, 1, 2, 2, 0, 2, 0]
    )


def test_an_epoch_has_each_image_once_in_another_order(splits):
    train, size = splits.train, splits.train.size
    two = sum(epochs(train, epochs=2), [])
    assert sorted(two[:size]) == sorted(two[size:]) == every(train)
    assert two[:size] != two[size:] != sorted(two[size:])
    assert epochs(train, epochs=2) == epochs(train, epochs=2)
    assert epochs(train, seed=1) != epochs(train)


@pytest.mark.parametrize("drop", [False, True])
def test_to_begin_anywhere_gives_what_the_whole_would_have_given(splits, drop):
    options = {"epochs": 2, "drop_remainder": drop}
    whole = epochs(splits.train, **options)
    for start in (1, 7, len(whole) // 2, len(whole) - 1):
        assert epochs(splits.train, start_step=start, **options) == whole[start:]


def test_to_begin_late_reads_only_the_window_that_is_needed(splits, monkeypatch):
    read = []
    contents = shard_stream.Stream.contents
    monkeypatch.setattr(
        shard_stream.Stream,
        "contents",
        lambda self, rows: read.extend(rows) or contents(self, rows),
    )
    stream = load(splits.summary["source"][: -len("/train-*.tar")]).train
    del read[:]
    batches = stream.batches(2, seed=0, start_step=stream.size // 2 - 1)
    next(batches.as_numpy_iterator())
    assert 0 < len(read) <= 30


def test_what_a_window_holds_is_not_read_again(splits, monkeypatch):
    stream = splits.train.order
    rows = stream.rows(0, 0, 0, 4, 0, 1)
    concurrent.futures.wait(stream._windows.values())  # the next one too
    images = stream.contents(rows)
    read = []
    monkeypatch.setattr(
        stream, "contents", lambda some: read.extend(some) or [images[0]] * len(some)
    )
    stream._images(rows)
    assert len(stream._windows) > 1 and read == []


def test_workers_have_shards_of_their_own_and_together_all(splits):
    order = splits.train.order
    sizes = [order.size(part, 3) for part in range(3)]
    assert sum(sizes) == splits.train.size
    steps = splits.train.steps_per_epoch(6, drop_remainder=True, parts=3)
    assert steps == min(sizes) // 2
    found = [
        epochs(splits.train, 6, epochs=2, drop_remainder=True, part=(part, 3))
        for part in range(3)
    ]
    shards_of = [{number // 20 for number in sum(some, [])} for some in found]
    assert not (shards_of[0] & shards_of[1] or shards_of[0] & shards_of[2])
    for some in found:
        assert len(some) == 2 * steps and {len(batch) for batch in some} == {2}
        whole = sum(some[:steps], [])
        assert len(set(whole)) == len(whole)
    late = epochs(
        splits.train, 6, epochs=2, drop_remainder=True, part=(1, 3), start_step=4
    )
    assert late == found[1][4:]


def test_other_data_are_divided_by_batch(folder):
    split = datasets.load("sprites", image_size=16).train
    options = {"seed": 0, "drop_remainder": True, "epochs": 1}
    whole = next(split.batches(6, **options).as_numpy_iterator())["image"]
    parts = [
        next(split.batches(6, part=(part, 2), **options).as_numpy_iterator())["image"]
        for part in range(2)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_parts_of_any_number_are_disjoint_complete_and_even():
    order = Order(tuple(np.random.default_rng(0).integers(50, 150, 40).tolist()), 64)
    for parts in (1, 2, 7, 40):
        rows = []
        for part in range(parts):
            size = order.size(part, parts)
            windows = range(-(-size // order.window))
            found = [order.of_window(n, 5, 1, part, parts) for n in windows]
            assert sum(map(len, found)) == size
            rows += np.concatenate(found).tolist()
        assert sorted(rows) == list(range(sum(order.counts)))
    sizes = [order.size(part, 7) for part in range(7)]
    assert max(sizes) - min(sizes) < 60


def test_shards_take_turns_in_a_window():
    order = Order((100,) * 20, 64)
    owners = {int(row) // 100 for row in order.of_window(0, 0, 0)}
    assert len(owners) == MIXED


def test_the_index_is_made_once_and_again_when_a_shard_changes(folder, tmp_path):
    path = write.tar(tmp_path / "a.tar", write.records(0, 40))
    first = load(tmp_path, "a.tar", index_dir=str(tmp_path / "index"))
    (made,) = (tmp_path / "index").iterdir()
    made.write_bytes(made.read_bytes()[:100])  # broken: made anew
    again = load(tmp_path, "a.tar", index_dir=str(tmp_path / "index"))
    assert again.fingerprint == first.fingerprint
    write.tar(path, write.records(0, 41))
    other = load(tmp_path, "a.tar", index_dir=str(tmp_path / "index"))
    assert other.fingerprint != first.fingerprint
    assert other.summary["images"] == 41
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="--index_dir"):
        load(tmp_path, "a.tar", index_dir=str(tmp_path / "file"))


def test_a_key_in_two_shards_is_named_with_both(tmp_path):
    write.tar(tmp_path / "a.tar", write.records(0, 40))
    write.tar(tmp_path / "b.tar", write.records(39, 5))
    with pytest.raises(ValueError, match="000039 is in .*a.tar and in .*b.tar.*key_co"):
        load(tmp_path, "*.tar")
    with pytest.raises(ValueError, match="000039 is in .*a.tar and in .*b.tar"):
        load(tmp_path, "a.tar", test_shards=f"{tmp_path}/b.tar")


def test_fewer_shards_than_workers_is_an_error_that_names_the_flag(splits):
    with pytest.raises(ValueError, match="--data_dir.*as many.* workers, 7; it has 6"):
        splits.train.steps_per_epoch(14, drop_remainder=True, parts=7)
    with pytest.raises(ValueError, match="multiple of 4"):
        splits.train.steps_per_epoch(6, drop_remainder=True, parts=4)


def test_what_cannot_be_loaded_says_why(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="--validation_shards=.*missing"):
        load(folder, validation_shards=f"{folder}/none-{{0..3}}.tar")
    write.tar(tmp_path / "a.tar.gz", write.records(0, 40))
    with pytest.raises(ValueError, match="a.tar.gz: unpack it"):
        load(tmp_path, "a.tar.gz")
    write.tar(tmp_path / "b.tar", [])
    with pytest.raises(ValueError, match="b.tar.*empty"):
        load(tmp_path, "b.tar")
    with pytest.raises(ValueError, match="--shuffle_window"):
        load(folder, shuffle_window=0)
    with pytest.raises(ValueError, match="--shuffle_window is not used by"):
        datasets.load("sprites", shuffle_window=3)
    write.tar(tmp_path / "c.tar", write.records(0, 1))
    with pytest.raises(ValueError, match="--validation_shards names others"):
        load(tmp_path, "c.tar", seed=2)
    rows = write.records(0, 40) + write.records(40, 20, size=9)
    write.tar(tmp_path / "d.tar", rows)
    splits = load(tmp_path, "d.tar")
    with pytest.raises(Exception, match="--image_size, as the images have different"):
        every(splits.train)


@pytest.mark.filterwarnings("ignore:.*are replaced")
def test_an_image_that_cannot_be_read_is_replaced_and_many_are_an_error(tmp_path):
    rows = write.records(0, 120)
    rows[70]["image"] = b"no image"
    write.tar(tmp_path / "a.tar", rows)
    splits = load(tmp_path, "a.tar")
    there = every(splits.test) + every(splits.validation)
    assert 70 not in there
    with pytest.warns(UserWarning, match="replaced.*such as image .* in .*a.tar"):
        found = every(splits.train)
    assert sorted({*found, *there}) == [n for n in range(120) if n != 70]
    assert len(found) == splits.train.size
    for row in rows[20:]:
        row["image"] = b"no image"
    write.tar(tmp_path / "b.tar", rows)
    with pytest.raises(Exception, match="expected at most 1% of images"):
        every(load(tmp_path, "b.tar").train)


LEFT_OPEN = """
import sys
from vqzoo import datasets
split = datasets.load("shards", data_dir=sys.argv[1], index_dir=sys.argv[2]).train
batches = split.batches(4, seed=0, epochs=None).as_numpy_iterator()
print(len(next(batches)["image"]))
"""


@pytest.mark.slow
def test_a_program_ends_while_batches_are_under_way(folder, tmp_path):
    words = [sys.executable, "-c", LEFT_OPEN, f"{folder}/train-*.tar", tmp_path]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout) == (0, "4\n"), ended.stderr

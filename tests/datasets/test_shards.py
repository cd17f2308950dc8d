import sys

import fsspec
import pytest

from tests.helpers import shards as write
from vqzoo.datasets import shards
from vqzoo.datasets.bounds import BOUNDS

FORMATS = pytest.mark.parametrize("kind", write.WRITERS)


@pytest.fixture
def folder(tmp_path):
    """Three tars of 5 records each."""
    for number in range(3):
        write.tar(tmp_path / f"train-{number:02d}.tar", write.records(5 * number, 5))
    return tmp_path


def read(path, **columns):
    return list(shards.read(str(path), shards.Columns(**columns)))


def test_patterns_of_all_kinds_name_the_same_shards(folder):
    (folder / "notes.txt").write_text("no shard")
    whole = [f"{folder}/train-0{number}.tar" for number in range(3)]
    for pattern in (
        f"{folder}/train-{{00..02}}.tar",
        f"{folder}/train-*.tar",
        f"{folder}/train-{{00,01}}.tar, {folder}/train-02.tar",
        [f"{folder}/train-0{{0..1}}.tar", f"{folder}/train-0[2-9].tar"],
        str(folder),
    ):
        assert shards.expand(pattern) == whole
    some = f"{folder}/{{train,x}}-{{00,01}}.tar"
    with pytest.raises(FileNotFoundError, match="missing 2 of 4.*x-00.tar.*x-01.tar"):
        shards.expand(some)


def test_missing_shards_of_a_range_are_named(folder):
    pattern = f"{folder}/train-{{00..19}}.tar"
    with pytest.raises(
        FileNotFoundError,
        match=r"--input=.*found 3, missing 17 of 20: .*train-03.tar.*train-07.tar, \.",
    ):
        shards.expand(pattern, "input")
    with pytest.raises(FileNotFoundError, match="found 0"):
        shards.expand(f"{folder}/validation-*.tar")
    with pytest.raises(FileNotFoundError, match="missing 1 of 1"):
        shards.expand(f"{folder}/none/train-00.tar")


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("train-00.tar,{0}/train-*.tar", "train-00.tar twice"),
        ("train-{00..02.tar", "as many"),
        ("train-{2..0}.tar", "ascending"),
        ("notes.txt", "name shards .*tar"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(folder, pattern, message):
    (folder / "notes.txt").write_text("")
    pattern = f"{folder}/{pattern.replace('{0}', str(folder))}"
    with pytest.raises(ValueError, match=message):
        shards.expand(pattern)


def test_a_file_system_that_needs_a_package_says_which(folder):
    with pytest.raises(ValueError, match="--data_dir=.*nowhere"):
        shards.expand("nowhere://bucket/train-0.tar")
    if "gcsfs" not in sys.modules:
        with pytest.raises(ValueError, match="--input=gs://.*gcsfs"):
            shards.expand("gs://bucket/train-{0..3}.tar", "input")


@FORMATS
def test_all_formats_hold_the_same_records(tmp_path, kind):
    rows = write.records(250, 10)
    path = write.WRITERS[kind](tmp_path / f"some.{kind}", rows)
    found = read(path)
    assert [(r.key, r.image, r.label) for r in found] == [
        (row["key"], row["image"], str(row["label"])) for row in rows
    ]
    # By place, in two groups of rows of the Parquet file.
    some = [found[place] for place in (0, 1, 6)]
    images = shards.open_shard(str(path)).images([record.place for record in some])
    assert images == [record.image for record in some]


def test_tars_know_their_other_parts_and_may_be_compressed(tmp_path):
    path = write.tar(tmp_path / "some.tar.gz", write.records(0, 2))
    record = read(path)[1]
    assert record.metadata == {"cls": "1", "json": {"source": "test"}}
    assert read(path, label="source")[0].label == "test"


def test_the_hub_keeps_bytes_and_path_in_one_column(tmp_path):
    rows = write.records(0, 3)
    path = write.parquet(tmp_path / "some.parquet", rows, hub=True)
    assert [record.image for record in read(path)] == [row["image"] for row in rows]


def test_shards_are_read_from_other_file_systems(tmp_path):
    rows = write.records(0, 3)
    memory = fsspec.filesystem("memory")
    for kind in ("tar", "parquet", "tfrecord"):
        path = write.WRITERS[kind](tmp_path / f"a-0.{kind}", rows)
        memory.pipe(f"/bucket/a-0.{kind}", path.read_bytes())
        (found,) = shards.expand(f"memory://bucket/a-{{0..0}}.{kind}")
        for name in (found, *shards.expand(f"memory://bucket/*.{kind}")):
            assert [record.key for record in read(name)] == [row["key"] for row in rows]
    memory.rm("/bucket", recursive=True)


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path, kind):
    path = write.WRITERS[kind](tmp_path / f"some.{kind}", write.records(0, 1))
    for column in ("image", "key", "label"):
        message = f"--{column}_column to be one of .*image.*key.*label.*'labels'.*label"
        with pytest.raises(ValueError, match=f"{message}|{column}_column.*'labels'"):
            read(path, **{column: "labels"})
    with pytest.raises(ValueError, match="--image_column.*'?label'?"):
        read(path, image="label")


def test_a_tar_without_images_says_what_it_holds(tmp_path):
    path = write.tar(tmp_path / "some.tar", write.records(0, 1))
    with pytest.raises(ValueError, match="--image_column.*cls, png, json.*'jpg'"):
        read(path, image="jpg")


@FORMATS
def test_an_empty_shard_is_an_error(tmp_path, kind):
    path = write.WRITERS[kind](tmp_path / f"some.{kind}", [])
    with pytest.raises(ValueError, match="some.*empty"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="some"):
        read(path)


@pytest.mark.parametrize("kind", ["tar", "parquet", "tfrecord"])
def test_a_shard_that_is_cut_short_is_an_error_wherever_it_ends(tmp_path, kind):
    path = write.WRITERS[kind](tmp_path / f"some.{kind}", write.records(0, 3))
    whole = path.read_bytes()
    places = [record.place for record in read(path)]
    end = whole.rindex(b"source") + 512 if kind == "tar" else len(whole)
    for size in (9, end // 3 + 1, end // 2, end - 60, end - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="sound shard.*some"):
            read(path)
    with pytest.raises(ValueError, match="sound shard.*some"):
        path.write_bytes(whole[: end // 2])
        shards.open_shard(str(path)).images(places)


def test_images_over_the_bound_are_no_images(tmp_path, monkeypatch):
    rows = write.records(0, 2)
    monkeypatch.setattr(BOUNDS, "bytes", len(rows[0]["image"]) - 1)
    path = write.tar(tmp_path / "some.tar", rows)
    assert [record.image for record in read(path)] == [None, None]

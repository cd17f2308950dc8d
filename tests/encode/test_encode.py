"""Collections to shards of codes: what is written, how it goes on, what is refused."""

import errno
import json
import os

import numpy as np
import pytest

from tests.helpers import shards as small
from tests.helpers.encoding import job_of, rows_of
from tests.helpers.small_models import SMALL, model_of
from vqzoo.datasets import code_shards, codes
from vqzoo.encode import run, whole
from vqzoo.encode import units as inputs
from vqzoo.encode.encoder import Encoder
from vqzoo.encode.output import EncodingError, Output
from vqzoo.encode.units import units_of
from vqzoo.images import to_images
from vqzoo.trained import TrainedError

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.once
SIDE = 16


def pixels(key):
    number = int(key)
    color = (number % 256, number // 256, 7)
    return np.full((SIDE, SIDE, 3), color, np.uint8)


def make_shards(folder, counts=(10, 7), damaged=()):
    first = 0
    for number, count in enumerate(counts):
        rows = small.records(first, count, SIDE)
        for row in rows:
            if int(row["key"]) in damaged:
                row["image"] = b"no image"
        small.tar(folder / f"in-{number}.tar", rows)
        first += count
    return f"{folder}/in-{{0..{len(counts) - 1}}}.tar"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_shard_of_codes_has_what_the_model_gives(encoder, tmp_path, kind):
    pattern = make_shards(tmp_path)
    manifest = run(job_of(pattern, tmp_path / "out", format=kind), encoder)
    rows = rows_of(tmp_path / "out")
    assert rows["key"].tolist() == [f"{number:06d}" for number in range(17)]
    assert rows["label"].tolist() == [str(number % 3) for number in range(17)]
    assert set(rows["height"]) == set(rows["width"]) == {SIDE}
    batch = np.stack([pixels(key) for key in rows["key"]])
    for tier, expected in zip(
        ("top", "bottom"), encoder.model.encode(to_images(batch))
    ):
        assert np.array_equal(rows[tier], np.asarray(expected))
        counts = np.bincount(
            np.ravel(expected), minlength=len(manifest["counts"][tier])
        )
        assert manifest["counts"][tier] == counts.tolist()
    assert manifest["model"] == encoder.fingerprint
    assert [tier["grid"] for tier in manifest["tiers"]] == [[2, 2], [4, 4]]
    assert [tier["num_embeddings"] for tier in manifest["tiers"]] == [8, 16]
    assert [shard["images"] for shard in manifest["shards"]] == [10, 7]
    assert manifest["class_names"] == ["0", "1", "2"]


def test_others_read_the_folder_without_us(encoder, tmp_path):
    import pyarrow.parquet

    run(job_of(make_shards(tmp_path), tmp_path / "out"), encoder)
    table = pyarrow.parquet.read_table(tmp_path / "out")
    assert table.num_rows == 17
    assert table.column_names[-2:] == ["top", "bottom"]
    assert len(table["bottom"][0].as_py()) == 16


def test_a_bad_image_is_left_out_counted_and_told(encoder, tmp_path):
    pattern = make_shards(tmp_path, damaged=(3, 12))
    manifest = run(job_of(pattern, tmp_path / "out"), encoder)
    assert (manifest["images"], manifest["bad"]) == (15, 2)
    lines = (tmp_path / "out" / "_bad-00001-of-00002.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["000012"]
    assert "cannot identify" in lines[0]


@pytest.mark.parametrize(("damaged", "most"), [((3, 4), 1), ((3, 12), 1)])
def test_too_many_bad_images_fail_with_their_list(encoder, tmp_path, damaged, most):
    job = job_of(make_shards(tmp_path, damaged=damaged), tmp_path / "out", max_bad=most)
    with pytest.raises(EncodingError, match="--max_bad=1") as raised:
        run(job, encoder)
    assert all(f"{key:06d}: cannot identify" in str(raised.value) for key in damaged)
    assert not code_shards.is_encoded(tmp_path / "out")


def test_what_is_done_is_not_done_again_and_bytes_are_the_same(
    encoder, tmp_path, monkeypatch
):
    pattern = make_shards(tmp_path, damaged=(3,))
    run(job_of(pattern, tmp_path / "whole"), encoder)
    job, real = job_of(pattern, tmp_path / "out"), inputs.records_of

    def stops(unit, columns):
        if unit.number == 1:
            yield from list(real(unit, columns))[:5]
            raise KeyboardInterrupt
        yield from real(unit, columns)

    monkeypatch.setattr(inputs, "records_of", stops)
    with pytest.raises(KeyboardInterrupt):
        run(job, encoder)
    assert not (tmp_path / "out" / "codes-00001-of-00002.parquet").exists()
    read = []
    monkeypatch.setattr(
        inputs, "records_of", lambda unit, c: read.append(unit.number) or real(unit, c)
    )
    (tmp_path / "out" / "_state" / "left.part").write_text("of a killed process")
    run(job, encoder)
    assert read == [0, 1]  # A look at the first, before there is any work.
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / "out" / "_state" / "left.part").exists()
    run(job, encoder)
    assert read == [0, 1, 0]


def test_threads_and_batches_change_no_byte(encoder, tmp_path):
    pattern = make_shards(tmp_path, counts=(70, 41), damaged=(3, 69, 80))
    for name, options in (("one", {"threads": 1}), ("three", {"threads": 3})):
        run(job_of(pattern, tmp_path / name, batch_size=8, **options), encoder)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert rows_of(tmp_path / "one")["key"].tolist() == [
        f"{number:06d}" for number in range(111) if number not in (3, 69, 80)
    ]


@pytest.mark.parametrize("at_once", [3, 10**6])
def test_a_key_in_two_shards_is_an_error_that_names_both(
    encoder, tmp_path, monkeypatch, at_once
):
    monkeypatch.setattr(whole, "_AT_ONCE", at_once)
    make_shards(tmp_path)
    small.tar(tmp_path / "in-1.tar", small.records(9, 7, SIDE))
    with pytest.raises(
        EncodingError, match=r"'000009' in .*in-0.tar and in .*in-1.tar"
    ):
        run(job_of(f"{tmp_path}/in-{{0..1}}.tar", tmp_path / "out"), encoder)
    assert not code_shards.is_encoded(tmp_path / "out")


def test_two_keys_of_one_hash_are_two_keys(encoder, tmp_path, monkeypatch):
    pattern = make_shards(tmp_path)
    monkeypatch.setattr(
        code_shards, "key_hashes", lambda keys: np.full(len(keys), 5, np.uint64)
    )
    assert run(job_of(pattern, tmp_path / "out"), encoder)["images"] == 17


def test_a_broken_shard_stops_no_other(encoder, tmp_path):
    pattern = make_shards(tmp_path, (10, 7, 4))
    path = tmp_path / "in-1.tar"
    whole_shard = path.read_bytes()
    path.write_bytes(whole_shard[: len(whole_shard) // 2])
    job = job_of(pattern, tmp_path / "out")
    with pytest.raises(EncodingError, match="1 of 3 shards.*\n.*in-1.tar.*cut short"):
        run(job, encoder)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.parquet"))
    assert names == ["codes-00000-of-00003.parquet", "codes-00002-of-00003.parquet"]
    path.write_bytes(whole_shard)
    assert run(job, encoder)["images"] == 21


def test_an_empty_shard_is_named(encoder, tmp_path):
    make_shards(tmp_path)
    small.tar(tmp_path / "in-1.tar", [])
    with pytest.raises(EncodingError, match="in-1.tar.*empty"):
        run(job_of(f"{tmp_path}/in-{{0..1}}.tar", tmp_path / "out"), encoder)


def test_parquet_without_the_column_lists_those_it_has(encoder, tmp_path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"picture": [small.png(1, SIDE)], "caption": ["red"]})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(ValueError, match="--image_column.*: picture, caption"):
        run(job_of(f"{tmp_path}/in.parquet", tmp_path / "out"), encoder)
    assert not (tmp_path / "out").exists()


def test_missing_shards_and_a_folder_of_nothing_are_told_before(tmp_path):
    make_shards(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"in-2.tar"):
        units_of(f"{tmp_path}/in-{{0..2}}.tar")
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="expected images or shards"):
        units_of(f"{tmp_path}/none")


def test_a_model_without_codes_is_refused(tmp_path):
    import vqzoo

    vqzoo.models.VAE(image_shape=(16, 16, 3), **SMALL).save(tmp_path / "m.keras")
    with pytest.raises(TrainedError, match="expected a model with codes"):
        Encoder(str(tmp_path / "m.keras"))


@pytest.mark.parametrize(
    "options", [{"resize": "pad"}, {"format": "tfrecord"}, {"precision": "bfloat16"}]
)
def test_a_folder_of_other_settings_is_refused(encoder, tmp_path, options):
    pattern = make_shards(tmp_path)
    run(job_of(pattern, tmp_path / "out"), encoder)
    before = contents(tmp_path / "out")
    (name,) = options
    with pytest.raises(EncodingError, match=f"the same {name}.*choose another"):
        run(job_of(pattern, tmp_path / "out", **options), encoder)
    with pytest.raises(EncodingError, match="the same input"):
        run(job_of(f"{tmp_path}/in-0.tar", tmp_path / "out"), encoder)
    settings = job_of(pattern, tmp_path / "out").settings(encoder, units_of(pattern))
    with pytest.raises(EncodingError, match="the same model"):
        Output(str(tmp_path / "out")).begin(settings | {"model": "another"})
    assert contents(tmp_path / "out") == before


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(EncodingError, match="it holds thesis.txt"):
        Output(str(tmp_path)).begin({"model": "m"})


def test_what_cannot_be_written_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    output = Output(str(tmp_path / "out"))
    output.begin({"model": "m"})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EncodingError, match="codes.parquet.*make room"):
        with output.shard("codes.parquet") as facts:
            with open(facts["path"], "wb") as file:
                file.write(b"half")
    assert sorted(os.listdir(tmp_path / "out")) == ["_state"]
    assert os.listdir(tmp_path / "out" / "_state") == ["settings.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(EncodingError, match="cannot write"):
        Output(str(tmp_path / "file" / "out")).begin({})


def test_one_encoding_at_a_time(tmp_path):
    output = Output(str(tmp_path))
    output.begin({})
    with output.alone():
        with pytest.raises(EncodingError, match="another process"):
            with Output(str(tmp_path)).alone():
                pass
    with output.alone():
        pass


def test_codes_of_shards_are_opened_as_those_of_a_data_set(encoder, tmp_path):
    run(job_of(make_shards(tmp_path, (60, 40)), tmp_path / "out"), encoder)
    opened = codes.load(tmp_path / "out", model=encoder.fingerprint)
    sizes = [getattr(opened, name).size for name in codes.SPLITS]
    assert (sum(sizes), opened.tier_shapes["bottom"]) == (100, (4, 4))
    assert opened.class_names == ("0", "1", "2")
    rows = rows_of(tmp_path / "out")
    found = np.concatenate([opened.arrays(name)["bottom"] for name in codes.SPLITS])
    key = lambda grids: sorted(map(tuple, grids.reshape(100, -1).tolist()))  # noqa: E731
    assert key(found) == key(rows["bottom"])
    batch = next(iter(opened.train.batches(4)))
    assert set(batch) == {"top", "bottom", "label"}
    with pytest.raises(ValueError, match="expected codes of the model other"):
        codes.load(tmp_path / "out", model="other")


def test_a_shard_that_was_altered_is_not_trained_on(encoder, tmp_path):
    run(job_of(make_shards(tmp_path, (60, 40)), tmp_path / "out"), encoder)
    path = tmp_path / "out" / "codes-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="codes-00001.*sha256"):
        codes.load(tmp_path / "out")


def test_a_folder_of_images_is_a_collection(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "IMAGES_A_UNIT", 2)
    for place in ("cats/1.png", "cats/2.png", "dogs/3.png"):
        (tmp_path / "in" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / place).write_bytes(small.png(1, SIDE))
    manifest = run(job_of(f"{tmp_path}/in", tmp_path / "out"), encoder)
    assert [shard["images"] for shard in manifest["shards"]] == [2, 1]
    assert manifest["class_names"] == ["cats", "dogs"]
    keys = rows_of(tmp_path / "out")["key"].tolist()
    assert keys == ["cats/1.png", "cats/2.png", "dogs/3.png"]


def test_the_precision_is_that_which_is_asked_for(encoder, tmp_path):
    encoder.model.save(tmp_path / "model.keras")
    lower = Encoder(str(tmp_path / "model.keras"), "bfloat16")
    for one, dtype in ((encoder, "float32"), (lower, "bfloat16")):
        assert one.model.encoders[0].layers[0].compute_dtype == dtype
    assert lower.fingerprint == encoder.fingerprint


def test_sizes_are_those_of_the_files(encoder, tmp_path):
    small.tar(tmp_path / "in.tar", small.records(0, 2, 40) + small.records(5, 1, 9))
    manifest = run(job_of(f"{tmp_path}/in.tar", tmp_path / "out"), encoder)
    assert rows_of(tmp_path / "out")["height"].tolist() == [40, 40]
    entry = (tmp_path / "out" / "_bad-00000-of-00001.jsonl").read_text()
    assert manifest["bad"] == 1 and "too small: 9 x 9" in entry


def test_codes_become_images_again(encoder, tmp_path, capsys):
    from PIL import Image

    from vqzoo import cli
    from vqzoo.images import to_numpy, to_uint8

    run(job_of(make_shards(tmp_path), tmp_path / "out"), encoder)
    encoder.model.save(tmp_path / "m.keras")
    command = ["vqzoo", "decode", f"{tmp_path}/out", f"{tmp_path}/png"]
    assert (
        cli.main([*command, f"--model={tmp_path}/m.keras", "--keys=000003,000012"]) == 0
    )
    assert sorted(os.listdir(tmp_path / "png")) == ["000003.png", "000012.png"]
    tiers = encoder.model.encode(to_images(pixels("3")[None]))
    expected = to_uint8(to_numpy(encoder.model.decode(tiers)))[0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "png/000003.png")), expected)
    model_of(2).save(tmp_path / "other.keras")
    assert cli.main([*command, f"--model={tmp_path}/other.keras"]) == 1
    assert "the one that made the codes" in capsys.readouterr().err


def test_a_misspelled_flag_is_an_error_of_usage(capsys):
    from vqzoo.encode import __main__ as command

    flags = ["vqzoo encode", "--model=m", "--input=i", "--output=o"]
    assert command.main([*flags, "--max_bda=3"]) == 2
    assert "max_bda" in capsys.readouterr().err
    assert command.main(flags[:-1]) == 2
    assert "--output" in capsys.readouterr().err

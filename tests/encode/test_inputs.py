"""What is encoded and where: kinds of shards, tfds, buckets, and no permission."""

import os

import numpy as np
import pytest

from tests.helpers import shards as small
from tests.helpers.encoding import job_of, rows_of
from tests.helpers.small_models import model_of
from vqzoo import cli, codec
from vqzoo.datasets import codes
from vqzoo.encode import run
from vqzoo.encode import units as inputs
from vqzoo.encode.output import EncodingError, Output

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.once
SIDE = 16


@pytest.fixture(scope="module")
def of_tar(encoder, tmp_path_factory):
    """Rows of 7 images in a tar."""
    folder = tmp_path_factory.mktemp("tar")
    small.tar(folder / "in.tar", small.records(0, 7, SIDE))
    run(job_of(f"{folder}/in.tar", folder / "out"), encoder)
    return rows_of(folder / "out")


def assert_same(rows, expected, names=()):
    assert set(rows) == set(expected)
    for name in names or rows:
        assert np.array_equal(rows[name], expected[name]), name


@pytest.mark.parametrize("kind", ["tfrecord", "array_record", "parquet"])
def test_other_shards_give_the_codes_of_a_tar(encoder, of_tar, tmp_path, kind):
    path = tmp_path / f"in.{kind}"
    small.WRITERS[kind](path, small.records(0, 7, SIDE))
    manifest = run(job_of(str(path), tmp_path / "out"), encoder)
    assert_same(rows_of(tmp_path / "out"), of_tar)
    assert manifest["class_names"] == ["0", "1", "2"]


def test_a_data_set_of_tfds_is_a_collection(encoder, of_tar, tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(inputs, "IMAGES_A_UNIT", 3)

    class EncodedColors(tfds.core.GeneratorBasedBuilder):
        """The same images."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            labels = tfds.features.ClassLabel(names=["0", "1", "2"])
            image = tfds.features.Image(shape=(SIDE, SIDE, 3))
            features = tfds.features.FeaturesDict({"image": image, "label": labels})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"test": self._generate_examples()}

        def _generate_examples(self):
            for number in range(7):
                color = np.array([number, 0, 7], np.uint8)
                image = np.broadcast_to(color, (SIDE, SIDE, 3))
                yield number, {"image": image, "label": number % 3}

    manifest = run(job_of("tfds:encoded_colors:test", tmp_path / "out"), encoder)
    assert [shard["images"] for shard in manifest["shards"]] == [3, 3, 1]
    rows = rows_of(tmp_path / "out")
    assert len(set(rows["key"])) == 7  # tfds gives them another order and keys.
    order = [of_tar["checksum"].tolist().index(one) for one in rows["checksum"]]
    expected = {name: values[order] for name, values in of_tar.items()}
    assert_same(rows, expected, ("label", "top", "bottom", "height"))
    for name, message in (
        ("tfds:encoded_colors:train", "one of the splits test"),
        ("tfds:no_such_colors:test", "a name that tensorflow-datasets has"),
    ):
        with pytest.raises(ValueError, match=f"--input=tfds:NAME:SPLIT.*{message}"):
            inputs.units_of(name)


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_bucket_is_read_and_written(encoder, tmp_path, kind):
    import fsspec

    bucket = fsspec.filesystem("memory")
    place = f"memory://encode_{kind}"
    for number in range(2):
        path = small.tar(tmp_path / "in.tar", small.records(50 * number, 50, SIDE))
        bucket.pipe_file(f"{place}/in-{number}.tar", path.read_bytes())
    job = job_of(f"{place}/in-{{0..1}}.tar", f"{place}/out", format=kind)
    manifest = run(job, encoder)
    assert manifest == run(job, encoder)
    here = job_of(job.pattern, tmp_path / "out", format=kind)
    assert manifest == run(here, encoder)
    assert_same(rows_of(f"{place}/out"), rows_of(tmp_path / "out"))
    opened = codes.load(f"{place}/out", target=tmp_path / "codes")
    assert sum(getattr(opened, name).size for name in codes.SPLITS) == 100
    assert opened.folder.parent == tmp_path / "codes"
    with pytest.raises(ValueError, match="expected a target on this machine"):
        codes.load(f"{place}/out")
    bucket.rm(place, recursive=True)


def test_codes_are_counted_without_reading_shards(encoder, tmp_path):
    small.tar(tmp_path / "in.tar", small.records(0, 7, SIDE))
    run(job_of(f"{tmp_path}/in.tar", tmp_path / "out"), encoder)
    rows = rows_of(tmp_path / "out")
    for tier, counts in codes.counts(tmp_path / "out").items():
        expected = np.bincount(rows[tier].ravel(), minlength=len(counts))
        assert counts.dtype == np.int64 and np.array_equal(counts, expected)
    with pytest.raises(ValueError, match="expected codes of the model other"):
        codes.counts(tmp_path / "out", model="other")
    pytest.importorskip("constriction")
    encoder.model.save(tmp_path / "model.keras")
    coder = codec.load(tmp_path / "model.keras", tmp_path / "out").files
    grids = list(zip(rows["top"], rows["bottom"]))
    files = coder.write(grids, [(SIDE, SIDE)] * 7, mode="unigram")
    for found, expected in zip(coder.read(files), grids):
        assert all(map(np.array_equal, found, expected))
    model_of(2).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="expected codes of the model"):
        codec.load(tmp_path / "other.keras", tmp_path / "out")


def test_nothing_else_is_written_into_shards_of_codes(encoder, tmp_path):
    small.tar(tmp_path / "in.tar", small.records(0, 7, SIDE))
    run(job_of(f"{tmp_path}/in.tar", tmp_path / "out"), encoder)
    splits = type("Splits", (), dict(name="blends", fingerprint="f", class_names=()))
    with pytest.raises(ValueError, match="codes of blends.*choose another folder"):
        codes.extract(None, splits, tmp_path / "out", model="m", num_embeddings={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_no_permission_is_told_before_work(encoder, tmp_path, capsys):
    path = small.tar(tmp_path / "in.tar", small.records(0, 2, SIDE))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for output in (closed, closed / "out"):
        with pytest.raises(EncodingError, match="cannot write .*closed.*a folder that"):
            Output(str(output)).begin({})
        with pytest.raises(EncodingError, match="cannot write"):
            run(job_of(str(path), output), encoder)
    path.chmod(0)
    flags = [f"--input={path}", f"--output={tmp_path}/out", f"--model={tmp_path}/m"]
    assert cli.main(["vqzoo", "encode", *flags]) == 1
    assert "Permission denied" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

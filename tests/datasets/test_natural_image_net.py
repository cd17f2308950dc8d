import collections
import hashlib
import io
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from vqzoo import datasets
from vqzoo.datasets.imagenet_tars import find_images
from vqzoo.datasets.natural_image_net import (
    LICENSE,
    PEACOCKS,
    SYNSETS,
    NaturalImageNet,
    data_sheet,
    folds,
    too_small,
)

_NOT_IN_ILSVRC2012 = {"Chameleon", "Kingfisher", "Hawk", "Deer", "White Rhino"}


def _add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _jpeg(number):
    from PIL import Image

    pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((70, 50)).save(buffer, "JPEG")
    return buffer.getvalue()


def _write_synset(file, synset, count=5):
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(count):
            name = f"{synset}_{number}.JPEG"
            _add(archive, name, _jpeg(int(synset[1:]) + number))


def _write_synsets(folder, synsets, count=5):
    for synset in synsets:
        with open(folder / f"{synset}.tar", "wb") as file:
            _write_synset(file, synset, count)


class NaturalImageNetTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = NaturalImageNet
    SPLITS = {f"fold{fold}": 3 for fold in range(5)}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        synsets = {"n02504458", "n02392824", *PEACOCKS.values()}
        _write_synsets(pathlib.Path(cls.EXAMPLE_DIR), synsets)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.EXAMPLE_DIR)


def test_folds_are_stratified_and_share_no_image(tmp_path):
    _write_synsets(tmp_path, list(SYNSETS.values())[:3], count=12)
    dealt = folds(find_images(tmp_path, SYNSETS))
    assert [len(fold) for fold in dealt] == [9, 9, 6, 6, 6]
    for fold in dealt:
        counts = collections.Counter(place.label for place in fold)
        assert set(counts) == {0, 1, 2}
        assert max(counts.values()) - min(counts.values()) == 0
    names = {place.name for fold in dealt for place in fold}
    assert len(names) == 36


def test_folds_do_not_depend_on_the_order_of_the_files(tmp_path):
    _write_synsets(tmp_path, list(SYNSETS.values())[:2])
    places = find_images(tmp_path, SYNSETS)
    first, second = folds(places), folds(places[::-1])
    for left, right in zip(first, second, strict=True):
        assert set(left) == set(right)


def test_images_in_the_ilsvrc2012_tar_are_those_of_the_synset_tars(tmp_path, caplog):
    inside = [SYNSETS[name] for name in SYNSETS if name not in _NOT_IN_ILSVRC2012]
    (tmp_path / "one").mkdir()
    _write_synsets(tmp_path / "one", inside, count=2)
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar", "w") as archive:
        for synset in ["n01440764", *inside[::-1]]:
            inner = io.BytesIO()
            _write_synset(inner, synset, count=2)
            _add(archive, f"{synset}.tar", inner.getvalue())
    nested = find_images(tmp_path, SYNSETS)
    single = find_images(tmp_path / "one", SYNSETS)
    assert len(nested) == 30
    assert "no files for 5 classes: Chameleon (n01693783.tar)" in caplog.text
    for left, right in zip(nested, single, strict=True):
        assert (left.name, left.label, left.size) == (
            right.name,
            right.label,
            right.size,
        )
        assert _bytes(left) == _bytes(right)


def _bytes(place):
    data = pathlib.Path(place.path).read_bytes()
    return data[place.offset : place.offset + place.size]


def test_the_data_sheet_counts_classes_and_folds_and_knows_the_images(tmp_path):
    _write_synsets(tmp_path, list(SYNSETS.values())[:2], count=7)
    dealt = folds(find_images(tmp_path, SYNSETS))
    sheet = data_sheet(dealt, SYNSETS)
    assert sheet["license"] == LICENSE
    elephant = {"synset": "n02504458", "images": 7, "by_fold": [2, 2, 1, 1, 1]}
    assert sheet["classes"]["African Elephant"] == elephant
    assert sheet["classes"]["White Rhino"]["images"] == 0
    found = [fold["images"] for fold in sheet["folds"].values()]
    assert found == [4, 4, 2, 2, 2]
    assert data_sheet([fold[::-1] for fold in dealt], SYNSETS) == sheet
    names = sorted(f"{place.name} {place.size}\n" for place in dealt[4])
    expected = hashlib.sha256("".join(names).encode()).hexdigest()
    assert sheet["folds"]["fold4"]["sha256"] == expected


def test_classes_of_fewer_than_2000_images_are_named():
    full = {"images": 2000}
    assert too_small({"Lion": full, "Koala": full}) == []
    (line,) = too_small({"Lion": full, "Hawk": {"images": 1999}})
    assert line.startswith("1 of 2 classes have fewer than the 2,000 images")
    assert "Hawk 1,999. " in line


def test_the_peacock_is_a_bird_or_a_butterfly_by_configuration():
    bird, butterfly = NaturalImageNet.BUILDER_CONFIGS
    assert bird.synsets["Peacock"] == "n01806143"
    assert butterfly.synsets["Peacock"] == "n02279257"
    assert list(bird.synsets) == list(butterfly.synsets) == list(SYNSETS)
    assert len(SYNSETS) == 20


def test_license_and_citation_are_given(tmp_path):
    info = NaturalImageNet(data_dir=tmp_path).info
    assert "non-commercial" in info.redistribution_info.license
    assert "Coppock" in info.citation
    assert "Russakovsky" in info.citation


@pytest.mark.parametrize("content", [None, b"no tar"])
def test_missing_and_broken_files_are_explained(tmp_path, content):
    if content:
        (tmp_path / "n02504458.tar").write_bytes(content)
    message = "expected an uncompressed tar" if content else "found none"
    with pytest.raises(FileNotFoundError, match=message):
        datasets.load("natural_image_net", data_dir=tmp_path)


def test_loading_trains_on_three_folds_and_holds_out_two(tmp_path):
    _write_synsets(tmp_path, list(SYNSETS.values())[:4])
    splits = datasets.load("natural_image_net", data_dir=tmp_path, image_size=32)
    parts = (splits.train, splits.validation, splits.test)
    assert [part.size for part in parts] == [12, 4, 4]
    assert splits.class_names == tuple(SYNSETS)
    assert splits.image_shape == (32, 32, 3)
    assert sorted(splits.test.arrays()[1]) == [0, 1, 2, 3]


@pytest.mark.slow
def test_generation_through_beam_gives_the_same_data(tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    fingerprints = []
    for folder in ("beam", "plain"):
        (tmp_path / folder).mkdir()
        _write_synsets(tmp_path / folder, SYNSETS.values())
        splits = datasets.load("natural_image_net", data_dir=tmp_path / folder)
        fingerprints.append(splits.fingerprint)
        monkeypatch.setitem(sys.modules, "apache_beam", None)
        monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.data
def test_real_photographs_become_a_data_set(data_dir, tmp_path):
    listed = json.loads((data_dir / "caltech101_nature.json").read_text())
    synsets = dict(zip(listed["suggested_20_classes"], SYNSETS.values(), strict=True))
    members = collections.defaultdict(list)
    with tarfile.open(data_dir / "caltech101_nature.tar") as source:
        for member in source:
            folder, _, name = member.name.partition("/")
            if folder in synsets and len(members[folder]) < 5:
                members[folder].append((name, source.extractfile(member).read()))
    for folder, synset in synsets.items():
        with tarfile.open(tmp_path / f"{synset}.tar", "w") as archive:
            for name, data in members[folder]:
                _add(archive, f"{synset}_{name}", data)
    splits = datasets.load("natural_image_net", data_dir=tmp_path)
    images, labels = splits.test.arrays()
    assert images.shape == (20, 256, 256, 3)
    assert sorted(labels) == list(range(20))
    assert 0.15 < images.std() < 0.35
    assert splits.train.size == 60
    sheet = NaturalImageNet(data_dir=tmp_path).info.metadata
    assert {c["images"] for c in sheet["classes"].values()} == {5}
    assert sum(fold["images"] for fold in sheet["folds"].values()) == 100

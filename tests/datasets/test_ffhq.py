import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from vqzoo import datasets
from vqzoo.datasets.ffhq import Ffhq, FfhqConfig

_INDICES = (0, 1, 2, 59_998, 59_999, 60_000, 60_001, 69_999)


def _make_files(folder):
    """Images which show their index, in the folders of the thousands."""
    for index in _INDICES:
        for name, size in (("thumbnails128x128", 128), ("images1024x1024", 1024)):
            path = folder / name / f"{index // 1000 * 1000:05}" / f"{index:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            color = (index % 251, index // 251 % 256, 7)
            Image.new("RGB", (size, size), color).save(path)


class FfhqTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Ffhq
    SPLITS = {"train": 5, "validation": 3}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        _make_files(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.EXAMPLE_DIR)


@pytest.fixture
def files(tmp_path):
    _make_files(tmp_path)
    return tmp_path


def test_loading_keeps_the_official_training_images(files):
    splits = datasets.load("ffhq", data_dir=files, image_size=32)
    sizes = [split.size for split in (splits.train, splits.validation, splits.test)]
    assert sizes == [5, 1, 2]
    assert splits.image_shape == (32, 32, 3)
    images, labels = splits.train.arrays()
    assert labels is None
    colors = {tuple(np.round((image[0, 0] + 0.5) * 255)) for image in images}
    assert colors == {(index % 251, index // 251 % 256, 7) for index in _INDICES[:5]}


def test_a_zip_of_thumbnails_equals_the_folder(files, tmp_path):
    whole = datasets.load("ffhq", data_dir=files)
    packed = tmp_path / "packed" / "downloads" / "manual"
    archive = packed / "thumbnails128x128"
    shutil.make_archive(str(archive), "zip", files, "thumbnails128x128")
    zipped = datasets.load("ffhq", data_dir=tmp_path / "packed")
    assert whole.image_shape == (128, 128, 3)
    assert zipped.fingerprint == whole.fingerprint


def test_missing_files_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="thumbnails128x128 or images1024x1024"):
        datasets.load("ffhq", data_dir=tmp_path / "nowhere")


def test_license_and_citation_are_given(tmp_path):
    info = Ffhq(config="64", data_dir=tmp_path).info
    assert "CC BY-NC-SA 4.0" in info.redistribution_info.license
    assert "Karras" in info.citation
    assert FfhqConfig(64).size == 64

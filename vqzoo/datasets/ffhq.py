"""FFHQ as a tensorflow-datasets builder, from files that the user has downloaded."""

import io
import itertools
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from vqzoo.datasets import archives
from vqzoo.datasets.pixels import decode, fit

_FIRST_HELD_OUT = 60_000
_SOURCES = {"thumbnails128x128": 128, "images1024x1024": 1024}
_SUFFIXES = ("", *archives.ARCHIVE_SUFFIXES)
_INDEX = re.compile(r"(\d{5})\.png$")


class FfhqConfig(tfds.core.BuilderConfig):
    """One size of the images.

    Args:
        size: int. Side of the images in pixels.
    """

    def __init__(self, size: int) -> None:
        description = f"Images of {size} x {size} pixels."
        super().__init__(name=str(size), version="1.0.0", description=description)
        self.size = size


class Ffhq(tfds.core.GeneratorBasedBuilder):
    """70,000 aligned photographs of faces, in the official two splits by index.

    Sizes 64 and 128 are made from the thumbnails, or if there are none from the large
    images; 256 and 1024 from the large images.

    Source: Karras, Laine, Aila 2019, arXiv 1812.04948, appendix A. Differs: nothing.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [FfhqConfig(size) for size in (128, 64, 256, 1024)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Download thumbnails128x128 (sizes 64 and 128) or images1024x1024 (all sizes) with
    the script of the NVlabs/ffhq-dataset repository, and put the folder, or a .zip or
    .tar of it with the same name, into the folder for manual downloads.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.size
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Flickr-Faces-HQ: 70,000 photographs of faces, aligned and cropped. "
                "The first 60,000 are for training, the last 10,000 for validation."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(size, size, 3), encoding_format="png"
                    ),
                    "index": tfds.features.Scalar(dtype=np.int64),
                }
            ),
            homepage="https://github.com/NVlabs/ffhq-dataset",
            license=(
                "The data set: CC BY-NC-SA 4.0, NVIDIA Corporation. Each photograph "
                "has the license of its author: CC BY 2.0, CC BY-NC 2.0, Public Domain "
                "Mark 1.0, CC0 1.0 or U.S. Government Works."
            ),
            citation="""@inproceedings{karras2019style,
  title={A Style-Based Generator Architecture for Generative Adversarial Networks},
  author={Karras, Tero and Laine, Samuli and Aila, Timo},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition},
  year={2019}
}""",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        source = _source(pathlib.Path(dl_manager.manual_dir), self.builder_config.size)
        names = {}
        for name in archives.list_files(source):
            if match := _INDEX.search(name):
                names[name] = int(match[1])
        if not names:
            raise FileNotFoundError(
                f"expected images such as 00000.png in {source}, found none"
            )
        held_out = {name for name, index in names.items() if index >= _FIRST_HELD_OUT}
        return {
            "train": self._generate_examples(source, names, names.keys() - held_out),
            "validation": self._generate_examples(source, names, held_out),
        }

    def _generate_examples(
        self, source: pathlib.Path, indices: dict[str, int], names: set[str]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        size = self.builder_config.size
        for name, data in archives.read_files(source, names):
            if data is None:
                raise ValueError(f"expected a PNG file, cannot read {name} in {source}")
            pixels, _ = decode(data)
            # The bytes are kept where nothing changes, as encoding 1024 x 1024 is slow.
            image = io.BytesIO(data) if len(pixels) == size else fit(pixels, size)
            yield indices[name], {"image": image, "index": indices[name]}


def _source(manual_dir: pathlib.Path, size: int) -> pathlib.Path:
    enough = [name for name, side in _SOURCES.items() if side >= size]
    for name, suffix in itertools.product(enough, _SUFFIXES):
        path = manual_dir / f"{name}{suffix}"
        if path.exists():
            return path
    raise FileNotFoundError(
        f"expected {' or '.join(enough)}, as a folder or an archive, in {manual_dir}, "
        "found none"
    )

"""NaturalImageNet, 20 classes of animals, as a tensorflow-datasets builder."""

import collections
import hashlib
import logging
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow_datasets as tfds

from vqzoo.datasets.imagenet_tars import Place, find_images
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import decode, fit

_LOG = logging.getLogger(__name__)
IMAGE_SIZE = 256
NUM_FOLDS = 5
LEAST = 2000  # images of a class, by which the source chose the classes
LICENSE = (
    "ImageNet's terms of access: non-commercial research and education only; the "
    "photographs belong to their authors."
)
PEACOCKS = {"peacock_bird": "n01806143", "peacock_butterfly": "n02279257"}
SYNSETS = {
    "African Elephant": "n02504458",
    "Brown Bear": "n02132136",
    "Chameleon": "n01693783",
    "Dragonfly": "n02268443",
    "Kingfisher": "n01827403",
    "Giant Panda": "n02510455",
    "Gorilla": "n02480855",
    "Hawk": "n01605630",
    "King Penguin": "n02056570",
    "Koala": "n01882714",
    "Ladybug": "n02165456",
    "Lion": "n02129165",
    "Meerkat": "n02138441",
    "Orangutan": "n02480495",
    "Peacock": PEACOCKS["peacock_bird"],
    "Red Fox": "n02119022",
    "Snail": "n01944390",
    "Tiger": "n02129604",
    "Deer": "n02430045",
    "White Rhino": "n02392824",
}


class NaturalImageNetConfig(tfds.core.BuilderConfig):
    """Which animal the class Peacock shows.

    The source lists "Peacock" among the classes, and pictures a peacock butterfly.

    Args:
        name: "peacock_bird" or "peacock_butterfly".
    """

    def __init__(self, name: str) -> None:
        description = (
            f"Peacock is the {name.removeprefix('peacock_')}, {PEACOCKS[name]}."
        )
        super().__init__(name=name, version="1.0.0", description=description)
        self.synsets = {**SYNSETS, "Peacock": PEACOCKS[name]}


class NaturalImageNet(tfds.core.GeneratorBasedBuilder):
    """20 classes of animals from ImageNet, 256 x 256, in five folds.

    The short side is resized to 256 and the center cropped. Every class is spread
    evenly over the folds, in the order of a hash of the file names.

    Source: Coppock 2020, Vector Quantised-Variational Autoencoders (VQ-VAEs) for
    Representation learning, section 3.3 and equation 3.1. Differs: the text does not
    give the synsets or the folds; classes missing from the files stay empty.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [NaturalImageNetConfig(name) for name in PEACOCKS]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Register at image-net.org and download the archives of the synsets, such as
    n02504458.tar, or ILSVRC2012_img_train.tar, which has 15 of the 20 classes. Put them
    into the folder for manual downloads.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Twenty classes of animals from ImageNet, each with many photographs, "
                "at 256 x 256 pixels, in five folds for cross-validation."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(IMAGE_SIZE, IMAGE_SIZE, 3), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(names=list(SYNSETS)),
                    "file_name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://image-net.org",
            license=LICENSE,
            metadata=tfds.core.MetadataDict(),
            citation="""@mastersthesis{coppock2020vector,
  title={Vector Quantised-Variational Autoencoders (VQ-VAEs) for Representation
    learning},
  author={Coppock, Harry},
  school={Imperial College London},
  year={2020}
}
@article{russakovsky2015imagenet,
  title={{ImageNet} Large Scale Visual Recognition Challenge},
  author={Russakovsky, Olga and Deng, Jia and Su, Hao and others},
  journal={International Journal of Computer Vision},
  volume={115},
  number={3},
  pages={211--252},
  year={2015}
}""",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        manual_dir = pathlib.Path(dl_manager.manual_dir)
        places = find_images(manual_dir, self.builder_config.synsets)
        dealt = folds(places)
        self.info.metadata.update(data_sheet(dealt, self.builder_config.synsets))
        for line in too_small(self.info.metadata["classes"]):
            _LOG.warning(line)
        return {
            f"fold{fold}": self._generate_examples(chosen)
            for fold, chosen in enumerate(dealt)
        }

    def _generate_examples(self, places: list[Place]):
        try:
            import apache_beam as beam
        except ImportError:
            return _examples(places)
        return beam.Create(places) | beam.FlatMap(lambda place: _examples([place]))


def folds(places: Iterable[Place]) -> list[list[Place]]:
    """Deal the images of every class to five folds, in the order of a hash."""
    dealt = [[] for _ in range(NUM_FOLDS)]
    classes = {}
    for place in places:
        classes.setdefault(place.label, []).append(place)
    for members in classes.values():
        members.sort(key=lambda place: hashlib.sha256(place.name.encode()).digest())
        for rank, place in enumerate(members):
            dealt[rank % NUM_FOLDS].append(place)
    return dealt


def data_sheet(dealt: list[list[Place]], synsets: dict[str, str]) -> dict[str, Any]:
    """What a build is made of: a JSON dict, `builder.info.metadata` of the data set.

    Args:
        dealt: images of each fold.
        synsets: dict of class to synset.

    Returns:
        dict: `license`; `classes`, the synset and the number of images of each, in all
        and by fold; `folds`, the number of images of each and the sha256 of their names
        and sizes, which says whether two builds have the same images in it. What turns
        out to be unreadable is left out of the images, not of these numbers.
    """
    counts = [collections.Counter(place.label for place in fold) for fold in dealt]
    classes = {
        name: {
            "synset": synset,
            "images": sum(count[label] for count in counts),
            "by_fold": [count[label] for count in counts],
        }
        for label, (name, synset) in enumerate(synsets.items())
    }
    hashes = {
        f"fold{number}": {"images": len(fold), "sha256": _digest(fold)}
        for number, fold in enumerate(dealt)
    }
    return {"license": LICENSE, "classes": classes, "folds": hashes}


def _digest(places):
    lines = sorted(f"{place.name} {place.size}\n" for place in places)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def too_small(classes: dict[str, dict]) -> list[str]:
    """A line on the classes of a `data_sheet` that are below `LEAST`, if any are."""
    small = {name: c["images"] for name, c in classes.items() if c["images"] < LEAST}
    if not small:
        return []
    found = ", ".join(f"{name} {count:,}" for name, count in small.items())
    return [
        f"{len(small)} of {len(classes)} classes have fewer than the {LEAST:,} images "
        f"by which the source chose them: {found}. Results do not compare with its own"
    ]


def _examples(places: Iterable[Place]) -> Iterator[tuple[str, dict[str, Any]]]:
    for place in places:
        with open(place.path, "rb") as file:
            file.seek(place.offset)
            data = file.read(place.size)
        try:
            pixels, _ = decode(data)
        except UnreadableImageError as error:
            _LOG.warning("left out %s, which is unreadable: %s", place.name, error)
            continue
        yield (
            place.name,
            {
                "image": fit(pixels, IMAGE_SIZE, resize="upscale"),
                "label": place.label,
                "file_name": place.name,
            },
        )

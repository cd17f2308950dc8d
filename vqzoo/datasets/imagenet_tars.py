"""Where the images of ImageNet classes lie in ImageNet's tar files."""

import dataclasses
import logging
import pathlib
import tarfile
from collections.abc import Iterator

from vqzoo.datasets.archives import Member

_LOG = logging.getLogger(__name__)
_TRAIN_TAR = "ILSVRC2012_img_train.tar"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the bytes of one image lie in a tar file, so that any process can read it.

    Args:
        path: str. The tar file.
        offset: int. First byte.
        size: int. Number of bytes.
        name: str. Name of the image, as `<synset>/<file>`.
        label: int. Its class.
    """

    path: str
    offset: int
    size: int
    name: str
    label: int


def find_images(manual_dir: pathlib.Path, synsets: dict[str, str]) -> list[Place]:
    """Index the images of the classes in synset tars or in the ILSVRC2012 tar.

    Args:
        manual_dir: folder of the tar files.
        synsets: dict of class to synset, in the order of the labels.

    Raises:
        FileNotFoundError: if there are files for none of the classes.
        ValueError: if a file is no uncompressed tar.
    """
    places, missing = [], []
    inner = _inner_tars(manual_dir / _TRAIN_TAR, set(synsets.values()))
    for label, (name, synset) in enumerate(synsets.items()):
        path = manual_dir / f"{synset}.tar"
        if path.exists():
            places += _members(path, 0, synset, label)
        elif synset in inner:
            places += _members(manual_dir / _TRAIN_TAR, inner[synset], synset, label)
        else:
            missing.append(f"{name} ({synset}.tar)")
    if not places:
        raise FileNotFoundError(
            f"expected {_TRAIN_TAR} or tar files of synsets such as n02504458.tar in "
            f"{manual_dir}, found none"
        )
    if missing:
        _LOG.warning("no files for %d classes: %s", len(missing), ", ".join(missing))
    return places


def _inner_tars(path: pathlib.Path, synsets: set[str]) -> dict[str, int]:
    if not path.exists():
        return {}
    with _open_tar(path, 0) as archive:
        return {
            synset: member.offset_data
            for member in archive
            if (synset := pathlib.PurePosixPath(member.name).stem) in synsets
        }


def _members(
    path: pathlib.Path, offset: int, synset: str, label: int
) -> Iterator[Place]:
    with _open_tar(path, offset) as archive:
        for member in archive:
            if member.isreg():
                name = f"{synset}/{pathlib.PurePosixPath(member.name).name}"
                yield Place(str(path), member.offset_data, member.size, name, label)


def _open_tar(path, offset):
    file = path.open("rb")
    file.seek(offset)
    try:
        # A tar that begins inside another one counts its offsets from the outer file.
        archive = tarfile.open(fileobj=file, mode="r:", tarinfo=Member)
    except tarfile.TarError as error:
        file.close()
        raise ValueError(f"expected an uncompressed tar, {path}: {error}") from error
    archive._extfileobj = False  # close the file with the archive
    return archive

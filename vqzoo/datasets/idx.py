"""IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped."""

import gzip
import os
import re
import zlib
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets import archives

_NAME = re.compile(
    r"(?P<split>train|t10k|test)[-.](?P<kind>images|labels)[-.]idx\d-ubyte(\.gz)?$"
)
_UNSIGNED_BYTE = 0x08


def is_idx(names: Sequence[str]) -> bool:
    """Whether IDX files with training images are among the files."""
    return ("train", "images") in _find(names)


def read(
    data_dir: str | os.PathLike[str],
    names: Sequence[str],
) -> tuple[np.ndarray, np.ndarray | None, list[str], tuple[str, ...]]:
    """Read all images and labels, training images first.

    Returns: uint8 images `(num_images, height, width, channels)`, int32 labels if every
        split has them, the split of each image, and the names of the classes, which are
        numbers.
    Raises: ValueError: if a file is broken or labels do not match.
    """
    files = _find(names)
    contents = dict(archives.read_files(data_dir, list(files.values())))
    images, labels, given = [], [], []
    for split in ("train", "test"):
        if (split, "images") not in files:
            continue
        name = files[split, "images"]
        pixels = parse(contents[name], name)
        images.append(pixels[..., None] if pixels.ndim == 3 else pixels)
        given += [split] * len(pixels)
        if (split, "labels") in files:
            name = files[split, "labels"]
            labels.append(_labels(contents[name], name, len(pixels)))
    pixels = np.concatenate(images)
    if len(labels) < len(images):
        return pixels, None, given, ()
    labels = np.concatenate(labels)
    return pixels, labels, given, tuple(map(str, range(int(labels.max()) + 1)))


def parse(data: bytes | None, name: str) -> np.ndarray:
    """Parse the content of one IDX file of unsigned bytes.

    Source: the description of the format on the MNIST page: two zero bytes, the type,
    the number of axes, the length of each as a big-endian int32, the values.
    Raises: ValueError: if it is anything else.
    """
    try:
        content = gzip.decompress(data) if name.endswith(".gz") else data
        if content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
            raise ValueError(f"starts with {content[:4].hex()}")
        shape = np.frombuffer(content, ">i4", content[3], offset=4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
        return values.reshape(shape)
    except (OSError, EOFError, TypeError, ValueError, IndexError, zlib.error) as error:
        raise ValueError(
            f"expected an IDX file of unsigned bytes, {name} is none: {error}"
        ) from error


def _find(names):
    files = {}
    for name in names:
        if match := _NAME.search(name):
            split = "train" if match["split"] == "train" else "test"
            files.setdefault((split, match["kind"]), name)
    return files


def _labels(data, name, count):
    labels = parse(data, name).astype(np.int32)
    if labels.shape != (count,):
        raise ValueError(f"expected {count} labels in {name}, found {labels.shape}")
    return labels

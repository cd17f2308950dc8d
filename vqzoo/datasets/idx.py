"""IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped."""

import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets import archives
from vqzoo.datasets.bounds import BOUNDS

_NAME = re.compile(
    r"(?P<split>train|t10k|test)[-.](?P<kind>images|labels)[-.]idx\d-ubyte(\.gz)?$"
)
_UNSIGNED_BYTE = 0x08
_BLOCK = 2**20  # bytes that are unpacked at a time


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
        pixels = parse(contents[name], name, (3, 4))
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


def parse(data: bytes | None, name: str, axes: Sequence[int]) -> np.ndarray:
    """Parse the content of one IDX file of unsigned bytes.

    Args:
        data: bytes; None of a file that is too long.
        name: str, of the file; it says whether it is gzipped.
        axes: ints, the numbers of axes that it may have.

    Source: the description of the format on the MNIST page: two zero bytes, the type,
    the number of axes, the length of each as a big-endian int32, the values.
    Raises: ValueError: if it is anything else, or more than `bounds.BOUNDS`.
    """
    if data is None:
        raise ValueError(f"{name} cannot be read, or is longer than --max_bytes")
    try:
        stream = io.BytesIO(data)
        return _parse(gzip.open(stream) if name.endswith(".gz") else stream, name, axes)
    except (OSError, EOFError, zlib.error) as error:
        raise _no_idx(name, error) from error


def _parse(stream, name, axes):
    head = stream.read(4)
    if head[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise _no_idx(name, f"starts with {head.hex()}")
    if head[3:] not in [bytes([count]) for count in axes]:
        known = " or ".join(map(str, axes))
        raise _no_idx(name, f"expected {known} axes, received {[*head[3:]]}")
    counts = stream.read(4 * head[3])
    if len(counts) < 4 * head[3]:
        raise _no_idx(name, "ends within its header")
    shape = np.frombuffer(counts, ">i4").tolist()
    if min(shape) < 1 or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise _no_idx(name, f"says a shape of {tuple(shape)}")
    size = math.prod(shape)
    BOUNDS.check_file(size, name)
    values = np.empty(size, np.uint8)
    for start in range(0, size, _BLOCK):
        block = stream.read(min(_BLOCK, size - start))
        if len(block) < min(_BLOCK, size - start):
            raise _no_idx(name, f"holds less than {size:,} values")
        values[start : start + len(block)] = np.frombuffer(block, np.uint8)
    if stream.read(1):
        raise _no_idx(name, f"holds more than {size:,} values")
    return values.reshape(shape)


def _no_idx(name, reason):
    return ValueError(
        f"expected an IDX file of unsigned bytes, {name} is none: {reason}"
    )


def _find(names):
    files = {}
    for name in names:
        if match := _NAME.search(name):
            split = "train" if match["split"] == "train" else "test"
            files.setdefault((split, match["kind"]), name)
    return files


def _labels(data, name, count):
    labels = parse(data, name, (1,)).astype(np.int32)
    if labels.shape != (count,):
        raise ValueError(f"expected {count} labels in {name}, found {labels.shape}")
    return labels

"""Decoded images of a whole data set, in memory or on the disk, and splits of them."""

import errno
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.leakage import near_duplicates
from vqzoo.datasets.pixels import to_float
from vqzoo.datasets.splits import Split, Splits
from vqzoo.datasets.summary import Summary

_MEMORY_LIMIT = 4 * 2**30  # bytes
_BLOCK = 2**26  # bytes which are hashed at a time

Rows = Mapping[str, np.ndarray]


def allocate(
    shape: Sequence[int],
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    memory_limit: int = _MEMORY_LIMIT,
) -> np.ndarray:
    """An uninitialized uint8 array, mapped to a file if it is larger than the limit.

    The file lies in `cache_dir`, by default the folder for temporary files. It has no
    name, so that it vanishes with the process, even if that is killed.

    Raises: OSError: if the file does not fit on the disk.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size <= memory_limit:
        return np.empty(shape, np.uint8)
    folder = pathlib.Path(cache_dir or tempfile.gettempdir()).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                error.errno,
                f"expected {size / 2**30:.1f} GiB of free space for decoded images in "
                f"cache_dir={folder}; choose another folder or a smaller image_size",
            ) from error
        return np.memmap(file, np.uint8, "r+", shape=tuple(shape))


def make_splits(
    images: np.ndarray,
    labels: np.ndarray | None,
    rows: Rows,
    *,
    name: str,
    class_names: Sequence[str] = (),
    summary: Summary | None = None,
    image_names: Sequence[str] = (),
) -> Splits:
    """Splits over the rows of one array of images.

    Args:
        images: uint8 `(num_images, height, width, channels)`, in memory or mapped.
        labels: int `(num_images,)`, or None.
        rows: dict of "train", "validation" and "test" to the int `(size,)` rows of
            the images in each split.
        name: str. Name of the data set.
        class_names: str for each label.
        summary: what the images were read from.
        image_names: str for each image: then near-duplicates of training images among
            the held-out ones are looked for, and named in the summary.
    """
    summary = summary or Summary(source=name)
    taken = np.zeros(len(images), bool)
    taken[np.concatenate(list(rows.values()))] = True
    twice = [image_names[row] for row in np.flatnonzero(~taken)] if image_names else ()
    summary.leave_out("images which are also in a held-out split", twice)
    if image_names:
        _look_for_leakage(images, rows, image_names, summary)
    gather = _gather_mapped if isinstance(images, np.memmap) else _gather_in_memory
    pixels, shape = gather(images), images.shape[1:]
    splits = {
        split: Split(size=len(chosen), load=_loader(pixels, shape, labels, chosen))
        for split, chosen in rows.items()
    }
    return Splits(
        **splits,
        name=name,
        image_shape=tuple(int(side) for side in shape),
        class_names=tuple(class_names),
        fingerprint=_fingerprint(images, labels, rows, class_names),
        summary=summary.as_json(images.shape, labels, rows, class_names),
    )


def _look_for_leakage(images, rows, names, summary):
    pairs = near_duplicates(images, rows)
    if pairs:
        examples = [[names[one], names[other]] for one, other in pairs[:5]]
        summary.facts["leakage"] = {"count": len(pairs), "examples": examples}


def _loader(pixels, shape, labels, rows):
    rows = np.asarray(rows, np.int64)
    chosen_labels = None if labels is None else np.asarray(labels, np.int32)[rows]

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        images = pixels(tf.gather(rows, indices))
        images = tf.ensure_shape(images, [indices.shape[0], *shape])
        batch = {"image": to_float(images)}
        if chosen_labels is not None:
            batch["label"] = tf.gather(chosen_labels, indices)
        return batch

    return load


def _gather_in_memory(images):
    with tf.device("cpu"):
        tensor = tf.constant(images)
    return lambda rows: tf.gather(tensor, rows)


def _gather_mapped(images):
    def read(rows: np.ndarray) -> np.ndarray:
        return np.asarray(images[rows])

    return lambda rows: tf.numpy_function(read, [rows], tf.uint8, stateful=False)


def _fingerprint(images, labels, rows, class_names) -> str:
    digest = hashlib.sha256(repr((images.shape, tuple(class_names))).encode())
    step = max(1, _BLOCK // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]))
    if labels is not None:
        digest.update(np.ascontiguousarray(labels, np.int32))
    for split in ("train", "validation", "test"):
        digest.update(f"{split} {len(rows[split])}".encode())
        digest.update(np.ascontiguousarray(rows[split], np.int64))
    return digest.hexdigest()

"""A directory or an archive of the user's own images."""

import collections
import dataclasses
import os
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets import archives, idx
from vqzoo.datasets.arrays import splits_of_pixels
from vqzoo.datasets.classes import choose
from vqzoo.datasets.decoding import decode_files
from vqzoo.datasets.holdout import assign_rows
from vqzoo.datasets.images import SUFFIXES
from vqzoo.datasets.splits import Split, Splits
from vqzoo.datasets.store import make_splits

THRESHOLD = 128  # of 8-bit values, the least that is white in a binary image
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


def load_folder(
    data_dir: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Load the images or IDX files of a directory or of an archive.

    The class of an image is the name of its folder; there are no labels if some images
    lie in none. Folders train, test and validation (or val) above the classes are taken
    for the splits; see `holdout.assign_rows` for those that are missing. Transparency
    is laid on white, and the rotation in EXIF is applied.

    Args:
        data_dir: directory or archive.
        image_size: int. Gray IDX images which are up to a quarter smaller get a black
            border; smaller image files are left out, with a warning. Defaults to the
            size of the images, which must then be equal.

    The other arguments are those of `datasets.load`.

    Raises:
        FileNotFoundError: if there is nothing at `data_dir`.
        ValueError: if there are no images, more than 1 % of them are unreadable, more
            than half or all of a split are smaller than `image_size`, sizes differ and
            no size is given, or there is no such class.
    """
    files = archives.list_files(data_dir)
    if idx.is_idx(files):
        return splits_of_pixels(
            *idx.read(data_dir, files),
            name="folder",
            classes=classes,
            image_size=image_size,
            channels=channels,
            validation_fraction=validation_fraction,
            seed=seed,
        )
    names = _of_classes(_within_splits(_image_names(files, data_dir)), classes)
    images, rows, digests = decode_files(
        archives.read_files(data_dir, names),
        names,
        image_size=image_size,
        channels=channels,
        cache_dir=cache_dir,
    )
    splits, folders = _split_and_class(names)
    _check_left("split", splits, rows)
    if classes:
        _check_left("class", folders, rows)
    labels, class_names = _labels([folders[row] for row in rows])
    rows = assign_rows(
        digests,
        [splits[row] for row in rows],
        validation_fraction=validation_fraction,
        seed=seed,
    )
    return make_splits(images, labels, rows, name="folder", class_names=class_names)


def load_binary_folder(data_dir: str | os.PathLike[str], **options) -> Splits:
    """`load_folder` with each value -0.5 or 0.5: likelihoods in bits are of these."""
    splits = load_folder(data_dir, **options)
    parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    return dataclasses.replace(
        splits,
        **{name: _binary(split) for name, split in parts.items()},
        # Other data than the folder's, so that their codes and runs are kept apart.
        fingerprint=f"binary {splits.fingerprint}",
    )


def _binary(split: Split) -> Split:
    def load(indices, seed):
        batch = split.load(indices, seed)
        # Float32 images are a rounding error away from their 8-bit values.
        levels = tf.round((batch["image"] + 0.5) * 255.0)
        white = tf.cast(levels >= THRESHOLD, "float32")
        return {**batch, "image": white - 0.5}

    return Split(size=split.size, load=load)


def _image_names(files: Sequence[str], data_dir) -> list[str]:
    names = [name for name in files if name.lower().endswith(SUFFIXES)]
    if names:
        return names
    suffixes = collections.Counter(os.path.splitext(name)[1] or name for name in files)
    found = ", ".join(f"{count} {kind}" for kind, count in suffixes.most_common(5))
    raise ValueError(
        f"expected images ({' '.join(SUFFIXES)}) or IDX files in {data_dir}, "
        f"found {len(files)} files{': ' if found else ''}{found}"
    )


def _of_classes(names: Sequence[str], classes: Sequence[str]) -> Sequence[str]:
    if not classes:
        return names
    _, folders = _split_and_class(names)
    kept = choose(sorted({*folders} - {""}), classes)
    return [name for name, label in zip(names, folders, strict=True) if label in kept]


def _check_left(kind: str, values: Sequence[str], rows: np.ndarray) -> None:
    """Raises ValueError if all images of a split or a class were left out."""
    lost = sorted({*values} - {values[row] for row in rows})
    if lost:
        raise ValueError(
            f"expected usable images of each {kind}, found none of {', '.join(lost)}: "
            "choose a smaller --image_size"
        )


def _split_of(folders: Sequence[Sequence[str]]) -> tuple[int, list[str | None]]:
    """Depth of the folders that name splits, and the split of each, if any."""
    depth = len(os.path.commonprefix(folders))
    splits = [
        _SPLIT_FOLDERS.get(folder[depth].lower()) if len(folder) > depth else None
        for folder in folders
    ]
    return depth, splits


def _within_splits(names: Sequence[str]) -> list[str]:
    """Leave out what lies beside the split folders, if there are any."""
    _, splits = _split_of([name.split("/")[:-1] for name in names])
    if "train" not in splits:
        return list(names)
    kept = [name for name, split in zip(names, splits, strict=True) if split]
    if len(kept) < len(names):
        warnings.warn(
            f"left out {len(names) - len(kept)} images beside the folders of the "
            f"splits, such as {min(set(names) - set(kept))}",
            stacklevel=3,
        )
    return kept


def _split_and_class(names: Sequence[str]) -> tuple[list[str], list[str]]:
    folders = [name.split("/")[:-1] for name in names]
    depth, splits = _split_of(folders)
    if "train" in splits:
        return splits, [folder[-1] if folder[depth + 1 :] else "" for folder in folders]
    return ["train"] * len(names), [folder[-1] if folder else "" for folder in folders]


def _labels(classes: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if "" in classes:
        return None, ()
    class_names, labels = np.unique(classes, return_inverse=True)
    return labels.astype(np.int32), tuple(class_names.tolist())

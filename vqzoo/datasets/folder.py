"""A directory or an archive of the user's own images."""

import collections
import dataclasses
import functools
import os
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets import archives, idx
from vqzoo.datasets import labels as labeling
from vqzoo.datasets import layout as layouts
from vqzoo.datasets.arrays import splits_of_pixels
from vqzoo.datasets.classes import choose, in_order
from vqzoo.datasets.decoding import decode_files
from vqzoo.datasets.holdout import assign_rows
from vqzoo.datasets.images import (
    ALPHA_BAND,
    ANIMATED,
    HEIF_SUFFIXES,
    PAGES,
    SUFFIXES,
)
from vqzoo.datasets.pixels import SMALLER_HELP
from vqzoo.datasets.splits import Split, Splits
from vqzoo.datasets.store import make_splits
from vqzoo.datasets.summary import Summary

# What may be meant otherwise, and the flags that say so.
_DECIDED = {
    PAGES: "--frames=all takes all, --frames=bands makes them bands",
    ANIMATED: "--frames=all takes all, --frames=first the first",
    ALPHA_BAND: "--frames=bands keeps it as a channel",
}
THRESHOLD = 128  # of 8-bit values, the least that is white in a binary image


def load_folder(
    data_dir: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    resize: str = "crop",
    frames: str = "",
    value_range: Sequence[float] = (),
    layout: str = "",
    class_level: int = 0,
    labels: str | os.PathLike[str] = "",
) -> Splits:
    """Load the images or IDX files of a directory or of an archive.

    Folders are read as `layout.understand` says, files as `reading.read`. Splits that
    are missing are held out (`holdout.assign_rows`). Class names that are all numbers
    are in the order of the numbers, others in that of the alphabet.

    Args:
        data_dir: directory or archive.
        image_size: int. Gray IDX images which are up to a quarter smaller get a black
            border; smaller image files are left out, with a warning, unless `resize`
            says otherwise. Defaults to the size of the images, which must then be
            equal.

    The other arguments are those of `datasets.load`.

    Raises:
        FileNotFoundError: if there is nothing at `data_dir`.
        ValueError: if there are no images, more than 1 % of them are unreadable, more
            than half or all of a split are smaller than `image_size`, sizes differ and
            no size is given, there is no such class, or folders can be read in two
            ways.
    """
    summary = Summary(source=str(data_dir))
    files = archives.list_files(data_dir, summary.leave_out)
    summary.seen = len(files) + sum(map(len, summary.left_out.values()))
    held_out = {"validation_fraction": validation_fraction, "seed": seed}
    if idx.is_idx(files):
        unused = {"frames": frames, "layout": layout, "labels": labels}
        for flag, value in (unused | {"class_level": class_level}).items():
            if value:
                raise ValueError(
                    f"--{flag} is not used by the IDX files in {data_dir}, received "
                    f"{value!r}"
                )
        return splits_of_pixels(
            *idx.read(data_dir, files),
            summary=summary,
            name="folder",
            classes=classes,
            image_size=image_size,
            channels=channels,
            resize=resize,
            value_range=value_range,
            **held_out,
        )
    known = _image_names(files, data_dir)
    found = layouts.understand(
        known, summary, layout=layout, class_level=class_level, classes=not labels
    )
    given = dict(zip(found.names, zip(found.splits, found.classes)))
    if labels:
        table = labeling.read(labels, data_dir, found.names, summary)
        summary.facts["layout"] = f"labels of {labels}"
        given = {name: (given[name][0], label) for name, label in table.items()}
    if classes:
        # Nobody asked for what has no class.
        summary.left_out.pop(layouts.BESIDE_CLASSES, None)
    others = sorted(set(files) - {*known, str(labels)})
    heif = [name for name in others if name.lower().endswith(HEIF_SUFFIXES)]
    summary.leave_out("HEIC files, which pip install vqzoo[heif] reads", heif)
    _warn(summary)
    for name in sorted(set(others) - set(heif)):
        kind = os.path.splitext(name)[1].lower() or "no suffix"
        summary.leave_out(f"files of {kind}, which are not read", name)
    kept = choose(in_order({label for _, label in given.values()} - {""}), classes)
    names = [
        name
        for name in found.names
        if name in given and (not classes or given[name][1] in kept)
    ]
    images, places, digests = decode_files(
        functools.partial(archives.read_files, data_dir),
        names,
        summary,
        frames=frames,
        value_range=tuple(value_range) or None,
        image_size=image_size,
        channels=channels,
        resize=resize,
        cache_dir=cache_dir,
    )
    for note, flags in _DECIDED.items():
        if not frames and (count := summary.done[note]):
            warnings.warn(f"of {count} files: {note}; {flags}", stacklevel=3)
    pairs = [given[name] for name in names]
    _check_left("split", [split for split, _ in pairs], places)
    if classes:
        _check_left("class", [label for _, label in pairs], places)
    numbers, class_names = _labels([pairs[place][1] for place in places])
    rows = assign_rows(digests, [pairs[place][0] for place in places], **held_out)
    return make_splits(
        images,
        numbers,
        rows,
        name="folder",
        class_names=class_names,
        summary=summary,
        image_names=[names[place] for place in places],
    )


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

    return dataclasses.replace(split, load=load)


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


def _warn(summary: Summary) -> None:
    for reason, names in summary.left_out.items():
        warnings.warn(
            f"left out {len(names)} {reason}, such as {min(names)}", stacklevel=3
        )


def _check_left(kind: str, values: Sequence[str], places: np.ndarray) -> None:
    """Raises ValueError if all images of a split or a class were left out."""
    lost = sorted({*values} - {values[place] for place in places})
    if lost:
        raise ValueError(
            f"expected usable images of each {kind}, found none of {', '.join(lost)}: "
            f"{SMALLER_HELP}"
        )


def _labels(classes: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if "" in classes:
        return None, ()
    class_names = in_order(set(classes))
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.array([numbers[name] for name in classes], np.int32), tuple(class_names)

"""Data sets of the tensorflow-datasets catalog, and our builders, by name."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vqzoo.datasets.classes import renumber
from vqzoo.datasets.decoding import decode_files
from vqzoo.datasets.holdout import assign_rows
from vqzoo.datasets.images import Picture
from vqzoo.datasets.preparation import prepare
from vqzoo.datasets.splits import Splits
from vqzoo.datasets.store import make_splits
from vqzoo.datasets.summary import Summary

_TEST_FRACTION = 0.1
_FFHQ_SIZES = (64, 128, 256, 1024)


def load_named(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | None = None,
    validation_fraction: float = 0.1,
) -> Splits:
    """Load a tensorflow-datasets data set; prepare it first where that is possible.

    Splits of the data set are kept. A missing validation split is the end of the
    training split, and so is a missing test split. Training images which are also held
    out are left out. `ffhq` halves its 10,000 held-out images into validation and test;
    `natural_image_net` tests on fold4, validates on fold3 and trains on the others.

    Args:
        name: str, or `name/config`.
        data_dir: folder in which tensorflow-datasets keeps its data. Defaults to its
            default. For ffhq and natural_image_net it may hold the downloaded files.

    The other arguments are those of `datasets.load`.

    Raises:
        ValueError: if there is no data set of this name, it has no images, or no such
            class.
        FileNotFoundError: if its files are missing and cannot be downloaded.
    """
    builder = find_builder(name, data_dir, image_size)
    prepare(builder, name)
    features = builder.info.features
    if "image" not in features:
        raise ValueError(
            f"expected a data set with the feature 'image', {name} has "
            f"{', '.join(features)}"
        )
    label = features["label"] if "label" in features else None
    numbers, class_names = renumber(getattr(label, "names", None) or (), classes)
    wanted = np.flatnonzero(numbers >= 0) if classes else None
    parts = _plan(builder, validation_fraction)
    names = [f"{split}/{row}" for split, _, size in parts for row in range(size)]
    given = [
        split
        for _, ours, _ in parts
        for split, size in ours.items()
        for _ in range(size)
    ]
    labels = np.zeros(len(names), np.int32)
    summary = Summary(source=name)
    images, rows, digests = decode_files(
        lambda _: _examples(builder, parts, labels, wanted),
        names,
        summary,
        decode=_pictures,
        image_size=image_size,
        channels=channels,
        border=True,
        cache_dir=cache_dir,
    )
    labels = numbers[labels[rows]] if classes else labels[rows]
    chosen = assign_rows(digests, [given[row] for row in rows])
    return make_splits(
        images,
        labels if class_names else None,
        chosen,
        name=name,
        class_names=class_names,
        summary=summary,
    )


def find_builder(
    name: str, data_dir: str | os.PathLike[str] | None, image_size: int | None = None
) -> Any:
    """The builder of a name, perhaps not prepared yet; ValueError if there is none."""
    import tensorflow_datasets as tfds

    from vqzoo.datasets import ffhq, natural_image_net  # noqa: F401, registers them

    if name == "ffhq":
        enough = [size for size in _FFHQ_SIZES if size >= (image_size or 128)]
        name = f"ffhq/{enough[0] if enough else _FFHQ_SIZES[-1]}"
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise ValueError(
            "expected 'photos', 'folder' or the name of a tensorflow-datasets data "
            f"set, received name={name!r}"
        ) from None


def _plan(builder, validation_fraction):
    """Triples of split of the data set, our splits with their sizes, and its size."""
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    if builder.name == "natural_image_net":
        ours = ["train", "train", "train", "validation", "test"]
        return [
            (f"fold{fold}", {split: sizes[f"fold{fold}"]}, sizes[f"fold{fold}"])
            for fold, split in enumerate(ours)
        ]
    if "train" not in sizes:
        raise ValueError(
            f"expected a data set with a train split, {builder.name} has "
            f"{', '.join(sizes)}"
        )
    held_out = {name: sizes[name] for name in ("validation", "test") if name in sizes}
    parts = [(name, {name: size}, size) for name, size in held_out.items()]
    if builder.name == "ffhq":
        half = sizes["validation"] // 2
        ours = {"validation": half, "test": sizes["validation"] - half}
        parts, held_out = [("validation", ours, sizes["validation"])], ours
    total = sizes["train"]
    taken = {}
    if "validation" not in held_out:
        taken["validation"] = max(1, round(validation_fraction * total))
    if "test" not in held_out:
        taken["test"] = max(1, round(_TEST_FRACTION * total))
    ours = {"train": total - sum(taken.values()), **taken}
    return [("train", ours, total), *parts]


def pixels_of(example: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The image of an example, or those of a batch; dsprites holds zeros and ones."""
    image = example["image"]
    return np.uint8(255) * (image > 0) if name == "dsprites" else image


def _examples(builder, parts, labels, wanted):
    import tensorflow_datasets as tfds

    read_config = tfds.ReadConfig(try_autocache=False)
    place = 0
    for split, _, _ in parts:
        dataset = builder.as_dataset(split=split, read_config=read_config)
        for row, example in enumerate(tfds.as_numpy(dataset)):
            if np.ndim(example.get("label", ())) == 0:
                labels[place] = example["label"]
            if wanted is None or labels[place] in wanted:
                yield f"{split}/{row}", pixels_of(example, builder.name)
            place += 1


def _pictures(image, _):
    """The picture of an example; values of 16 bits have their whole range."""
    alpha = None
    if image.shape[-1] in (2, 4):
        most = np.float32(np.iinfo(image.dtype).max)
        image, alpha = image[..., :-1], image[..., -1:] / most
    full = (0, 255 if image.dtype == np.uint8 else 65535)
    return [Picture(Picture(image, alpha=alpha).levels(full))]

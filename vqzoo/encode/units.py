"""The units of a collection; each becomes one shard of codes."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from vqzoo.datasets import shards
from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.images import SUFFIXES
from vqzoo.datasets.shards import Columns, Record

TFDS = "tfds:"
IMAGES_A_UNIT = 8192  # of folders and tfds, whose files suggest no size


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of the input.

    Args:
        number: int, its position among all units.
        source: path of a shard, of a folder of images, or `tfds:NAME:SPLIT`.
        names: of the files in a folder; empty for other sources.
        rows: first row and the row after the last, for tfds.
    """

    number: int
    source: str
    names: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)


def units_of(pattern: str) -> list[Unit]:
    """The units of a collection, in order.

    Args:
        pattern: as in `shards.expand`; a local folder of image files; or
            `tfds:NAME:SPLIT`.

    Raises:
        FileNotFoundError: if a shard is missing, or there are no images.
        ValueError: if the format is unknown.
    """
    if pattern.startswith(TFDS):
        return _of_tfds(pattern)
    folder = pathlib.Path(pattern).expanduser()
    if folder.is_dir() and not any(
        file.name.lower().endswith(tuple(shards.FORMATS)) for file in folder.iterdir()
    ):
        return _of_folder(folder)
    paths = shards.expand(pattern, "input")
    return [Unit(number, path) for number, path in enumerate(paths)]


def records_of(unit: Unit, columns: Columns) -> Iterator[Record]:
    """The records of a unit, in order.

    Raises: ValueError: if the unit is broken, empty, or lacks a column.
    """
    if unit.names:
        return map(lambda name: _file_record(unit.source, name), unit.names)
    if unit.source.startswith(TFDS):
        return _tfds_records(unit, columns)
    return shards.read(unit.source, columns)


def _of_folder(folder):
    names = sorted(
        os.path.join(os.path.relpath(place, folder), name).removeprefix("./")
        for place, _, files in os.walk(folder)
        for name in files
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )
    if not names:
        known = ", ".join(shards.FORMATS)
        raise FileNotFoundError(
            f"expected images or shards ({known}) in --input={folder}, found none"
        )
    parts = range(0, len(names), IMAGES_A_UNIT)
    return [
        Unit(number, str(folder), tuple(names[first : first + IMAGES_A_UNIT]))
        for number, first in enumerate(parts)
    ]


def _file_record(folder, name):
    path = pathlib.Path(folder, name)
    small = path.stat().st_size <= BOUNDS.bytes
    label = name.split(os.sep)[0] if os.sep in name else ""
    return Record(key=name, image=path.read_bytes() if small else None, label=label)


def _builder(source):
    """The builder of tfds and the split that `tfds:NAME:SPLIT` names."""
    import tensorflow_datasets as tfds

    name, _, split = source.removeprefix(TFDS).partition(":")
    try:
        builder = tfds.builder(name)
    except (ValueError, tfds.core.registered.DatasetNotFoundError) as error:
        raise ValueError(
            f"expected --input={TFDS}NAME:SPLIT with a name that tensorflow-datasets "
            f"has, received {source}: {str(error).splitlines()[0]}"
        ) from error
    return builder, split or "train"


def _of_tfds(source):
    builder, split = _builder(source)
    builder.download_and_prepare()
    if split not in builder.info.splits:
        raise ValueError(
            f"expected --input={TFDS}NAME:SPLIT with one of the splits "
            f"{', '.join(builder.info.splits)}, received {split!r}"
        )
    total = builder.info.splits[split].num_examples
    source = f"{TFDS}{builder.name}:{split}"
    return [
        Unit(number, source, rows=(first, min(first + IMAGES_A_UNIT, total)))
        for number, first in enumerate(range(0, total, IMAGES_A_UNIT))
    ]


def _tfds_records(unit, columns):
    import tensorflow_datasets as tfds

    builder, split = _builder(unit.source)
    names = sorted(builder.info.features)
    image = shards.choose(columns.image, ("image",), names, "image_column", unit.source)
    label = shards.choose(columns.label, ("label",), names, "label_column", unit.source)
    first, stop = unit.rows
    examples = builder.as_dataset(
        split=f"{split}[{first}:{stop}]",
        decoders={image: tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(add_tfds_id=True),
    )
    for example in tfds.as_numpy(examples):
        text = str(example[label]) if label else ""
        if label and hasattr(builder.info.features[label], "int2str"):
            text = builder.info.features[label].int2str(int(example[label]))
        key = example["tfds_id"].decode()
        yield Record(key=key, image=example[image], label=text)

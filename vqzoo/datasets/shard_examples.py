"""Shards of `tf.train.Example`: TFRecord and ArrayRecord."""

import struct
from collections.abc import Iterator, Sequence

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.shards import (
    Columns,
    Record,
    choose,
    file_system,
    read_places,
    sound,
    stem,
)

_IMAGES = ("image", "image/encoded", "image_raw", "img", "jpg", "jpeg", "png", "bytes")
_KEYS = ("__key__", "key", "id", "image/filename", "filename", "file_name")
_LABELS = ("label", "image/class/label", "cls", "class")
_BLOCK = 64  # records of an ArrayRecord in memory at a time


class TFRecord:
    """A TFRecord file.

    Args:
        path: str.
        columns: names of its features.
    """

    def __init__(self, path: str, columns: Columns = Columns()) -> None:  # noqa: B008
        self.path, self.columns = path, columns

    def records(self, images: bool = True) -> Iterator[Record]:
        """Records in file order; images are read even without `images`."""
        for row, (place, data) in enumerate(self.contents()):
            yield _record(self, row, data, place)

    def contents(self) -> Iterator[tuple[tuple[int, int], bytes]]:
        """Place and data of each record, stored as length, CRC, data, CRC."""
        files, inner = file_system(self.path)
        with sound(self.path), files.open(inner, "rb") as file:
            offset = 0
            while head := file.read(12):
                (size,) = struct.unpack("<Q4x", head)
                BOUNDS.check_file(size, self.path)
                data = file.read(size + 4)
                if len(data) < size + 4:
                    raise EOFError(f"it ends before byte {offset + size + 16:,}")
                yield (offset + 12, size), data[:size]
                offset += size + 16

    def images(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of the image files at these places."""
        return [
            _features(self, data)[1] or b"" for data in read_places(self.path, places)
        ]


class ArrayRecord:
    """An ArrayRecord file on this machine.

    Args:
        path: str.
        columns: names of its features.

    Raises: ImportError: without the package array_record.
    """

    def __init__(self, path: str, columns: Columns) -> None:
        try:
            from array_record.python import array_record_module
        except ImportError as error:
            raise ImportError(
                f"expected array_record to read {path}: pip install array_record"
            ) from error
        self.path, self.columns = path, columns
        with sound(path):
            self._reader = array_record_module.ArrayRecordReader(path)

    def records(self, images: bool = True) -> Iterator[Record]:
        """Records in file order; images are read even without `images`."""
        count = self._reader.num_records()
        for first in range(0, count, _BLOCK):
            rows = range(first, min(first + _BLOCK, count))
            for row, data in zip(rows, self._read(rows)):
                yield _record(self, row, data, (row, 1))

    def images(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of the image files at these places, which are rows."""
        rows = [row for row, _ in places]
        return [_features(self, data)[1] or b"" for data in self._read(rows)]

    def _read(self, rows):
        with sound(self.path):
            return self._reader.read(list(rows))


def _features(shard, data):
    """The features of an example without its image, and the image."""
    from tensorflow.train import Example

    with sound(shard.path):
        found = Example.FromString(data).features.feature
        values = {name: _values(feature) for name, feature in found.items()}
    names = sorted(values)
    flag = "image_column"
    name = choose(shard.columns.image, _IMAGES, names, flag, shard.path)
    image = values.pop(name)
    if image is not None and not isinstance(image, bytes):
        raise ValueError(
            f"expected --{flag} to hold the bytes of an image, {name!r} of "
            f"{shard.path} does not"
        )
    return values, image


def _values(feature):
    """The value of a feature: a list if it has several, None if it has none."""
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return values if len(values) > 1 else next(iter(values), None)


def _record(shard, row, data, place):
    values, image = _features(shard, data)
    names, columns = sorted(values), shard.columns
    key = choose(columns.key, _KEYS, names, "key_column", shard.path)
    label = choose(columns.label, _LABELS, names, "label_column", shard.path)
    return Record(
        key=_text(values.get(key)) or f"{stem(shard.path)}-{row:08d}",
        image=image,
        label=_text(values.get(label)),
        metadata=values,
        place=place,
    )


def _text(value):
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)

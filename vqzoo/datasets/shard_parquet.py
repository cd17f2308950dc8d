"""Parquet shards with a column of images: bytes, or the hub's bytes and path."""

from collections.abc import Iterator, Sequence

import numpy as np

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.shards import Columns, Record, choose, file_system, sound, stem

_IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
_KEYS = ("__key__", "key", "id", "image_id", "filename", "file_name")
_LABELS = ("label", "labels", "cls", "class", "fine_label")
_ROWS = 64  # in memory at a time


class Parquet:
    """A Parquet file.

    Args:
        path: str.
        columns: names of its columns.

    Raises: ValueError: if a column does not exist; it names those that do.
    """

    def __init__(self, path: str, columns: Columns) -> None:
        try:
            from pyarrow import parquet, types
        except ImportError as error:
            raise ImportError(
                f"expected pyarrow to read {path}: pip install 'vqzoo[parquet]'"
            ) from error
        self.path = path
        with sound(path):
            files, inner = file_system(path)
            self._file = parquet.ParquetFile(files.open(inner, "rb"))
        names = self._file.schema_arrow.names
        self._image, self._key, self._label = (
            choose(wanted, known, names, flag, path)
            for wanted, known, flag in (
                (columns.image, _IMAGES, "image_column"),
                (columns.key, _KEYS, "key_column"),
                (columns.label, _LABELS, "label_column"),
            )
        )
        kind = self._file.schema_arrow.field(self._image).type
        inner = kind.field("bytes").type if "bytes" in _fields(kind) else kind
        is_bytes = types.is_binary(inner) or types.is_large_binary(inner)
        if self._file.metadata.num_rows and not is_bytes:
            raise ValueError(
                f"expected --image_column to hold bytes, or the bytes and path of the "
                f"hub, {self._image!r} of {path} holds {kind}"
            )

    def records(self, images: bool = True) -> Iterator[Record]:
        """Records in file order; images are read only with `images`."""
        row = 0
        names = self._file.schema_arrow.names
        names = [name for name in names if images or name != self._image]
        with sound(self.path):
            for batch in self._file.iter_batches(_ROWS, columns=names):
                for values in batch.to_pylist():
                    yield self._record(row, values)
                    row += 1

    def images(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of the image files at these places, which are rows."""
        counts = [
            self._file.metadata.row_group(number).num_rows
            for number in range(self._file.num_row_groups)
        ]
        stops = np.cumsum(counts)
        rows = np.array([row for row, _ in places])
        contents = []
        with sound(self.path):
            for group in np.unique(np.searchsorted(stops, rows, "right")).tolist():
                first = int(stops[group]) - counts[group]
                columns = {"row_groups": [group], "columns": [self._image]}
                for batch in self._file.iter_batches(_ROWS, **columns):
                    stop = first + len(batch)
                    inside = rows[(first <= rows) & (rows < stop)] - first
                    images = batch.column(0)
                    contents += [_bytes(images[row].as_py())[0] for row in inside]
                    first = stop
        return contents

    def _record(self, row, values):
        image, path = _bytes(values.pop(self._image, None))
        label, key = values.get(self._label), values.get(self._key)
        if key is None:
            # Paths from the hub are not unique.
            key = f"{stem(self.path)}-{row:08d}"
        if path:
            values["path"] = path
        small = image is not None and len(image) <= BOUNDS.bytes
        return Record(
            key=str(key),
            image=image if small else None,
            label="" if label is None else str(label),
            metadata=values,
            place=(row, 1),
        )


def _fields(kind):
    from pyarrow import types

    return [field.name for field in kind] if types.is_struct(kind) else []


def _bytes(value):
    """Content and path of an image, which may be the hub's dict of both."""
    if isinstance(value, dict):
        return value["bytes"], value.get("path")
    return value, None

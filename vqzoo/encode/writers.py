"""Writers of one shard of codes: Parquet, or TFRecord."""

from collections.abc import Sequence

import numpy as np

from vqzoo.datasets import code_shards

FORMATS = ("parquet", "tfrecord")
_ROWS = 8192  # of a row group


class ParquetWriter:
    """Writes a Parquet file; grids are lists of fixed size, row by row.

    Args:
        path: str, on this machine.
        tiers: as in `Encoder.tiers`.
    """

    def __init__(self, path: str, tiers: Sequence[dict]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._shapes = code_shards.columns_of(tiers)
        fields = [
            (name, pyarrow.from_numpy_dtype(kind) if kind else pyarrow.string())
            for name, kind in code_shards.COLUMNS.items()
        ]
        fields += [
            (
                name,
                pyarrow.list_(pyarrow.from_numpy_dtype(kind), int(np.prod(shape))),
            )
            for name, (shape, kind) in self._shapes.items()
        ]
        self._schema = pyarrow.schema(fields)
        self._file = pyarrow.parquet.ParquetWriter(
            path, self._schema, compression="zstd"
        )
        self._kept, self._count = [], 0

    def write(self, columns: dict) -> None:
        """Writes rows: texts as lists, sizes as arrays, grids `(N, *grid)`."""
        self._kept.append(columns)
        self._count += len(columns["key"])
        if self._count >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Writes the remaining rows and closes the file."""
        if self._kept:
            self._flush()
        self._file.close()

    def _flush(self):
        import pyarrow

        arrays = []
        for field in self._schema:
            parts = [columns[field.name] for columns in self._kept]
            if field.name in self._shapes:
                kind = self._shapes[field.name][1]
                flat = np.concatenate([part.ravel() for part in parts]).astype(kind)
                values = pyarrow.array(flat)
                arrays.append(
                    pyarrow.FixedSizeListArray.from_arrays(values, type=field.type)
                )
            else:
                flat = [value for part in parts for value in part]
                arrays.append(pyarrow.array(flat, field.type))
        table = pyarrow.Table.from_arrays(arrays, schema=self._schema)
        self._file.write_table(table)
        self._kept, self._count = [], 0


class TFRecordWriter:
    """Writes a TFRecord file of `tf.train.Example`s with the same columns.

    Args:
        path: str, on this machine.
        tiers: as in `Encoder.tiers`.
    """

    def __init__(self, path: str, tiers: Sequence[dict]) -> None:
        import tensorflow as tf

        self._train = tf.train
        self._shapes = code_shards.columns_of(tiers)
        self._file = tf.io.TFRecordWriter(path)

    def write(self, columns: dict) -> None:
        """Writes rows, as `ParquetWriter` does."""
        for row in range(len(columns["key"])):
            features = {
                name: self._feature(name, values[row])
                for name, values in columns.items()
            }
            example = self._train.Example(
                features=self._train.Features(feature=features)
            )
            self._file.write(example.SerializeToString(deterministic=True))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _feature(self, name, value):
        train = self._train
        if isinstance(value, str):
            text = train.BytesList(value=[value.encode()])
            return train.Feature(bytes_list=text)
        values = np.ravel(value)
        if values.dtype == np.float32:
            return train.Feature(float_list=train.FloatList(value=values))
        return train.Feature(int64_list=train.Int64List(value=values))


def writer(kind: str, path: str, tiers: Sequence[dict]):
    """A writer of one of `FORMATS`."""
    return {"parquet": ParquetWriter, "tfrecord": TFRecordWriter}[kind](path, tiers)

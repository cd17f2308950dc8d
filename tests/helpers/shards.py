"""Writers of small shards, one a format, and the records that they hold."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image


def png(number, size=8):
    """Bytes of an image of one color, which tells its number, and its pixels."""
    color = (number % 256, number // 256, 7)
    pixels = np.full((size, size, 3), color, np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def records(first, count, size=8):
    """Dicts of key, image and label; the red and green of each tell its number."""
    return [
        {"key": f"{number:06d}", "image": png(number, size), "label": number % 3}
        for number in range(first, first + count)
    ]


def tar(path, rows):
    """Writes a tar in the layout of WebDataset; a row's other parts are files too."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for row in rows:
            parts = {"cls": str(row["label"]).encode(), "png": row["image"]}
            parts["json"] = json.dumps({"source": "test"}).encode()
            for kind, content in parts.items():
                info = tarfile.TarInfo(f"{row['key']}.{kind}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def parquet(path, rows, hub=False):
    """Writes a Parquet file of key, image and label in groups of 4 rows."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    images = [row["image"] for row in rows]
    if hub:
        images = [{"bytes": image, "path": None} for image in images]
    names = ("key", "label")
    columns = {name: [row[name] for row in rows] for name in names}
    table = pyarrow.table({**columns, "image": images})
    parquet.write_table(table, path, row_group_size=4)
    return path


def example(row):
    """Bytes of a `tf.train.Example`."""
    from tensorflow.train import BytesList, Example, Feature, Features, Int64List

    features = {
        "key": Feature(bytes_list=BytesList(value=[row["key"].encode()])),
        "image": Feature(bytes_list=BytesList(value=[row["image"]])),
        "label": Feature(int64_list=Int64List(value=[row["label"]])),
    }
    return Example(features=Features(feature=features)).SerializeToString()


def tfrecord(path, rows):
    """Writes a TFRecord file."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(example(row))
    return path


def array_record(path, rows):
    """Writes an ArrayRecord file."""
    module = pytest.importorskip("array_record.python.array_record_module")
    writer = module.ArrayRecordWriter(str(path), "group_size:1")
    for row in rows:
        writer.write(example(row))
    writer.close()
    return path


WRITERS = {
    "tar": tar,
    "parquet": parquet,
    "tfrecord": tfrecord,
    "array_record": array_record,
}

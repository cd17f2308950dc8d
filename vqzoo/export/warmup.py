"""Requests that a model server runs on a SavedModel before it serves it.

The first run of a graph is many times slower than later ones; a server runs these
requests before it opens.
"""

import importlib.util
import io
import math
import pathlib

import numpy as np

from vqzoo.registry import lazily
from vqzoo.serving import MAX_BATCH_SIZE

wire = lazily("vqzoo.export.wire")

FILE = "assets.extra/tf_serving_warmup_requests"
# Large images run in smaller batches, which take the same path.
MAX_PIXELS = 2**18
# With files and with priors the first run is alike for every batch.
ONE_ROW = (
    "sample",
    "sample_bytes",
    "encode_bytes",
    "decode_bytes",
    "reconstruct_bytes",
)


def is_possible():
    """Whether the package with the records' format is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write(saved_model, name, described, item_shape):
    """Writes the requests of each signature into a SavedModel.

    Args:
        saved_model: path of a version's folder.
        name: str, of the served model.
        described: dict from `signatures.save`.
        item_shape: `(height, width, channels)`, `(dim,)` or `(None, channels)`.

    Returns:
        int, how many requests there are; 0 without the package tensorflow-serving-api.
    """
    if not is_possible():
        return 0
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from vqzoo.serving.over_grpc import predict_request

    path = pathlib.Path(saved_model) / FILE
    path.parent.mkdir()
    count = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, rows in _batches(described, item_shape):
            inputs = {
                key: _input(key, spec, rows, item_shape)
                for key, spec in described[signature]["inputs"].items()
            }
            record = prediction_log_pb2.PredictionLog()
            request = predict_request(name, signature, inputs)
            record.predict_log.request.CopyFrom(request)
            writer.write(record.SerializeToString())
            count += 1
    return count


def _batches(described, item_shape):
    """Pairs of a signature and a number of rows: 1, and of most signatures many."""
    many = max(1, min(MAX_BATCH_SIZE, MAX_PIXELS // math.prod(_sides(item_shape[:2]))))
    return [
        (signature, rows)
        for signature in described
        for rows in sorted({1} if signature in ONE_ROW else {1, many})
    ]


def read(saved_model):
    """The requests in a SavedModel: a list of `(signature, {name: tensor})`."""
    import tensorflow as tf

    path = pathlib.Path(saved_model) / FILE
    if not path.is_file():
        return []
    from tensorflow_serving.apis import prediction_log_pb2

    requests = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        arrays = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        requests.append((request.model_spec.signature_name, arrays))
    return requests


def _input(name, spec, rows, item_shape):
    """A gray image, code 0, any class: one value each, which a record holds once."""
    import tensorflow as tf

    if spec["dtype"] == "string":
        return tf.make_tensor_proto([_png(item_shape)] * rows)
    value = {"images": 128, "label": -1, "temperature": 1, "guidance": 1}.get(name, 0)
    return tf.make_tensor_proto(
        value, spec["dtype"], [rows, *_sides(spec["shape"][1:])]
    )


def _sides(shape):
    """A shape whose free sides have example values."""
    return [side or wire.SIDE for side in shape]


def _png(image_shape):
    from PIL import Image

    file = io.BytesIO()
    pixels = np.full(image_shape, 128, "uint8")
    Image.fromarray(pixels[..., 0] if image_shape[-1] == 1 else pixels).save(
        file, "PNG"
    )
    return file.getvalue()

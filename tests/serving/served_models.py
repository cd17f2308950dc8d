"""Models of a folder as TensorFlow Serving serves them: configuration, checks, runs."""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "helpers"))
from c_api import Session, SessionError  # noqa: E402

DEFAULT = "serving_default"
WARMUP = "assets.extra/tf_serving_warmup_requests"
CODES = {
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    5: "NOT_FOUND",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
}


class StatusError(Exception):
    """A request that fails with a status; `code` is its gRPC name."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Model:
    """The newest version of a served model.

    Args:
        folder: `pathlib.Path` with a folder for each version.
    """

    def __init__(self, folder):
        self.version = max(int(p.name) for p in folder.iterdir() if p.name.isdecimal())
        path = folder / str(self.version)
        self.session = Session(str(path))
        graph = meta_graph_pb2.MetaGraphDef.FromString(self.session.meta_graph)
        self.signatures = dict(graph.signature_def)
        if (path / WARMUP).is_file():
            for record in tf.data.TFRecordDataset(str(path / WARMUP)):
                log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
                self.predict(log.predict_log.request)

    def predict(self, request):
        """The `PredictResponse` of a `PredictRequest`."""
        name = request.model_spec.signature_name or DEFAULT
        if name not in self.signatures:
            raise StatusError(
                "FAILED_PRECONDITION", f'Serving signature key "{name}" not found.'
            )
        self._check_names(request.inputs, self.signatures[name].inputs)
        arrays = {key: _to_array(key, proto) for key, proto in request.inputs.items()}
        try:
            outputs = self.session.run(name, arrays)
        except SessionError as error:
            raise StatusError(CODES[error.code], str(error)) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.signature_name = name
        response.model_spec.version.value = self.version
        for key, array in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return response

    @staticmethod
    def _check_names(sent, expected):
        if set(sent) != set(expected):
            raise StatusError(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(sent)}!={len(expected)}. "
                f"Sent extra: {sorted(set(sent) - set(expected))}. "
                f"Missing but required: {sorted(set(expected) - set(sent))}.",
            )


class Models:
    """All models of an artifact's models.config.

    Args:
        artifact: `pathlib.Path`, which a container sees as `/models/NAME`.
    """

    def __init__(self, artifact):
        config = text_format.Parse(
            (artifact / "models.config").read_text(),
            model_server_config_pb2.ModelServerConfig(),
        )
        self.by_name = {}
        for each in config.model_config_list.config:
            mounted = pathlib.PurePosixPath("/models", artifact.name)
            folder = pathlib.PurePosixPath(each.base_path).relative_to(mounted)
            self.by_name[each.name] = Model(artifact / folder)

    def find(self, spec):
        """The `Model` that a `ModelSpec` asks for."""
        found = self.by_name.get(spec.name)
        wanted = spec.version.value if spec.HasField("version") else None
        if found is None or wanted not in (None, found.version):
            text = f"Specific({spec.name}, {wanted})" if wanted else f"({spec.name})"
            raise StatusError("NOT_FOUND", f"Servable not found for request: {text}")
        return found


def _to_array(name, proto):
    try:
        array = tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        reason = f"tensor parsing error: {name}"
        raise StatusError("INVALID_ARGUMENT", reason) from error
    return np.asarray(array)

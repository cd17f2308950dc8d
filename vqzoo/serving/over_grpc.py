"""The protocol of TensorFlow Serving over gRPC, by its published stubs."""

import contextlib
import math
import pathlib

import numpy as np
import tensorflow as tf

from vqzoo.serving.protocol import (
    INITIALIZATION,
    MAX_ANSWER_BYTES,
    ServingError,
    Signature,
    Tensor,
    check_head,
    rows_of,
    unexpected,
)

# A server that starts or restarts is looked for ten times in two seconds, not every two
# minutes; how long one attempt to connect may take, stays as it is.
CHANNEL = {
    "grpc.max_send_message_length": -1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
}


class OverGRPC:
    """Requests to one model of a server.

    Args:
        host: str, `name:port`, or `grpcs://name:port` for TLS.
        model: str.
        token, certificates, max_answer_bytes: as in `OverREST`.
    Raises: ImportError: without the package tensorflow-serving-api.
    """

    def __init__(
        self,
        host,
        model,
        token="",
        certificates=None,
        max_answer_bytes=MAX_ANSWER_BYTES,
    ):
        try:
            import grpc
            from tensorflow_serving.apis import (
                model_service_pb2_grpc,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ImportError(
                "gRPC needs the package tensorflow-serving-api, pip install "
                "'vqzoo[serving]'; an address that begins with http:// does without"
            ) from error
        self._model = model
        self._most = max_answer_bytes
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        options = {**CHANNEL, "grpc.max_receive_message_length": max_answer_bytes}
        scheme, _, address = host.rpartition("://")
        if scheme:
            roots = pathlib.Path(certificates).read_bytes() if certificates else None
            secrets = grpc.ssl_channel_credentials(roots)
            self._channel = grpc.secure_channel(address, secrets, [*options.items()])
        else:
            self._channel = grpc.insecure_channel(address, [*options.items()])
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, signature, arrays, timeout):
        """Outputs by name of a signature's inputs by name."""
        request = predict_request(self._model, signature.name, arrays)
        response = self._call(self._predictions.Predict, request, timeout)
        rows = rows_of(arrays)
        return {
            name: self._array(name, proto, signature, rows)
            for name, proto in response.outputs.items()
        }

    def _array(self, name, proto, signature, rows):
        """The array of an output, once its head is what it must be."""
        shape = [dim.size for dim in proto.tensor_shape.dim]
        with _misread(name):
            dtype = tf.dtypes.as_dtype(proto.dtype)
        check_head(name, dtype.name, shape, signature, rows)
        # A few bytes may stand for an array of any size.
        if dtype != tf.string and math.prod(shape) * dtype.size > self._most:
            raise unexpected(f"{name} of at most {self._most:,} bytes", tuple(shape))
        with _misread(name):
            return tf.make_ndarray(proto)

    def signatures(self, timeout):
        """`{name: Signature}` of the model."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        request.model_spec.name = self._model
        response = self._call(self._predictions.GetModelMetadata, request, timeout)
        described = get_model_metadata_pb2.SignatureDefMap()
        with _misread("signatures"):
            response.metadata["signature_def"].Unpack(described)
            return {
                name: Signature(name, _tensors(one.inputs), _tensors(one.outputs))
                for name, one in described.signature_def.items()
                if name != INITIALIZATION
            }

    def states(self, timeout):
        """State of each version of the model, such as `{1: "AVAILABLE"}`."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model
        response = self._call(self._models.GetModelStatus, request, timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        with _misread("states"):
            return {
                v.version: states.Name(v.state) for v in response.model_version_status
            }

    def _call(self, method, request, timeout):
        import grpc

        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details()) from error

    def close(self):
        """Ends the connection."""
        self._channel.close()


def predict_request(model, signature, arrays):
    """A `PredictRequest`.

    Args:
        model: str, the served name.
        signature: str.
        arrays: dict of numpy arrays, or of `TensorProto`, by the names of the inputs.
    """
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in arrays.items():
        is_array = isinstance(value, np.ndarray)
        proto = tf.make_tensor_proto(value) if is_array else value
        request.inputs[name].CopyFrom(proto)
    return request


@contextlib.contextmanager
def _misread(what):
    """Turns what is raised by messages that say something impossible."""
    try:
        yield
    except Exception as error:  # In TensorFlow, NumPy and protocol buffers.
        raise unexpected(f"{what} of TensorFlow Serving", str(error)[:200]) from error


def _tensors(infos):
    return {
        name: Tensor(
            tf.dtypes.as_dtype(info.dtype).name,
            tuple(dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in infos.items()
    }

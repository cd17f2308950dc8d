"""A server for tests that speaks TensorFlow Serving's protocol, gRPC and REST.

    python tests/serving/endpoint.py ARTIFACT [--grpc_port=N] [--rest_port=N]

It serves the models of the artifact's models.config on the loopback address, by the
published stubs, and runs them with TensorFlow's C library, as the real server does. It
prints a line of JSON with its ports when it is ready.
"""

import argparse
import concurrent.futures
import http.server
import json
import pathlib
import re
import threading

import grpc
import json_tensors
from google.protobuf import json_format
from served_models import Models, StatusError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

ADDRESS = "127.0.0.1"
THREADS = 16
HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict")
DESCRIBE = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?")


def metadata(models, spec):
    """The `GetModelMetadataResponse` of a model."""
    model = models.find(spec)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = spec.name
    response.model_spec.version.value = model.version
    described = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signatures.items():
        described.signature_def[name].CopyFrom(signature)
    response.metadata["signature_def"].Pack(described)
    return response, described


def status(models, spec):
    """The `GetModelStatusResponse` of a model."""
    response = get_model_status_pb2.GetModelStatusResponse()
    response.model_version_status.add(
        version=models.find(spec).version,
        state=get_model_status_pb2.ModelVersionStatus.AVAILABLE,
    )
    return response


def answering(method):
    """A gRPC method that aborts with the status of a `StatusError`."""

    def answer(self, request, context):
        try:
            return method(self, request)
        except StatusError as error:
            context.abort(grpc.StatusCode[error.code], error.reason)

    return answer


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """PredictionService of gRPC."""

    def __init__(self, models):
        self.models = models

    @answering
    def Predict(self, request):
        return self.models.find(request.model_spec).predict(request)

    @answering
    def GetModelMetadata(self, request):
        return metadata(self.models, request.model_spec)[0]


class States(model_service_pb2_grpc.ModelServiceServicer):
    """ModelService of gRPC."""

    def __init__(self, models):
        self.models = models

    @answering
    def GetModelStatus(self, request):
        return status(self.models, request.model_spec)


class Handler(http.server.BaseHTTPRequestHandler):
    """REST; a subclass has `models`."""

    protocol_version = "HTTP/1.1"
    models = None

    def do_GET(self):
        self.answer(self.describe)

    def do_POST(self):
        self.answer(self.predict)

    def answer(self, method):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        code = 200
        try:
            data = method(body)
        except StatusError as error:
            code = HTTP.get(error.code, 500)
            data = json.dumps({"error": error.reason}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def describe(self, body):
        spec, what = self.spec(DESCRIBE)
        if not what:
            return _to_json(status(self.models, spec))
        response, described = metadata(self.models, spec)
        answer = {
            "model_spec": _to_dict(response.model_spec),
            "metadata": {"signature_def": _to_dict(described)},
        }
        return json.dumps(answer).encode()

    def predict(self, body):
        spec, _ = self.spec(PREDICT)
        model = self.models.find(spec)

        def find_inputs(name):
            if (name or "serving_default") not in model.signatures:
                reason = f'Serving signature name: "{name}" not found in signature def'
                raise StatusError("INVALID_ARGUMENT", reason)
            return model.signatures[name or "serving_default"].inputs

        request, in_rows = json_tensors.parse(body, find_inputs)
        request.model_spec.name = spec.name
        return json_tensors.dump(model.predict(request), in_rows)

    def spec(self, pattern):
        """The `ModelSpec` of a path, and what follows it."""
        found = pattern.fullmatch(self.path)
        if not found:
            reason = f"Malformed request: {self.command} {self.path}"
            raise StatusError("INVALID_ARGUMENT", reason)
        spec = model_pb2.ModelSpec(name=found[1])
        if found[2]:
            spec.version.value = int(found[2])
        return spec, found[3] if pattern is DESCRIBE else None

    def log_message(self, *arguments):
        pass


def _to_dict(message):
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _to_json(message):
    return json.dumps(_to_dict(message)).encode()


def serve(models, grpc_port=0, rest_port=0):
    """Starts both servers and returns them with their ports."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(models), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(States(models), server)
    grpc_port = server.add_insecure_port(f"{ADDRESS}:{grpc_port}")
    server.start()
    handler = type("Handler", (Handler,), {"models": models})
    rest = http.server.ThreadingHTTPServer((ADDRESS, rest_port), handler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    return server, rest, {"grpc": grpc_port, "rest": rest.server_address[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=pathlib.Path)
    parser.add_argument("--grpc_port", type=int, default=0)
    parser.add_argument("--rest_port", type=int, default=0)
    flags = parser.parse_args()
    models = Models(flags.artifact.resolve())
    server, _, ports = serve(models, flags.grpc_port, flags.rest_port)
    print(json.dumps(ports), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()

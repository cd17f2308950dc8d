"""Servers that fail in ways of their own, over gRPC and REST."""

import concurrent.futures
import http.server
import json
import re
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from vqzoo.serving import Client, ServingError
from vqzoo.serving.protocol import Signature, Tensor

CODES = np.arange(4, dtype="int32").reshape(1, 2, 2)
IMAGE = np.zeros((1, 4, 4, 3), "uint8")
ENCODE = Signature(
    "encode",
    {"images": Tensor("uint8", (-1, 4, 4, 3))},
    {"bottom_codes": Tensor("int32", (-1, 2, 2))},
)


class Script:
    """What happens to each request, in turn: a status, a delay, or status and body."""

    def __init__(self, steps):
        self.steps = list(steps)
        self.requests = 0

    def next(self):
        self.requests += 1
        step = self.steps.pop(0) if self.steps else "OK"
        if isinstance(step, float):
            time.sleep(step)
            return "OK"
        return step


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, script):
        self.script = script

    def Predict(self, request, context):
        step = self.script.next()
        if step != "OK":
            context.abort(grpc.StatusCode[step], "the queue is full")
        response = predict_pb2.PredictResponse()
        response.outputs["bottom_codes"].CopyFrom(tf.make_tensor_proto(CODES))
        return response


class Handler(http.server.BaseHTTPRequestHandler):
    script = None

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        step = self.script.next()
        if isinstance(step, tuple):
            self.send_response(step[0])
            self.end_headers()
            self.wfile.write(step[1])
            return
        status = {"OK": 200, "UNAVAILABLE": 503, "INVALID_ARGUMENT": 400, "HTML": 502}
        answer = json.dumps({"error": "the queue is full"})
        if step == "OK":
            answer = json.dumps({"outputs": CODES.tolist()})
        if step == "HTML":
            answer = "<html>a proxy without a server</html>"
        self.send_response(status[step])
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture(params=["grpc", "rest"])
def serve(request):
    """A function from steps to a client of a server that takes them, and its script."""
    stops = []

    def start(*steps, **options):
        script = Script(steps)
        if request.param == "grpc":
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
            prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
                Predictions(script), server
            )
            host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            stops.append(lambda: server.stop(0).wait())
        else:
            handler = type("Handler", (Handler,), {"script": script})
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            host = f"http://127.0.0.1:{server.server_address[1]}"
            threading.Thread(target=server.serve_forever).start()
            stops.append(server.server_close)
            stops.append(server.shutdown)
        client = Client(host, "flaky", **options)
        client._signatures = {"encode": ENCODE}
        stops.append(client.close)
        return client, script

    yield start
    for stop in reversed(stops):
        stop()


def test_a_server_that_is_unavailable_is_asked_again(serve):
    client, script = serve("UNAVAILABLE", "UNAVAILABLE")
    np.testing.assert_array_equal(client.encode(IMAGE)[0], CODES)
    assert script.requests == 3


def test_the_last_error_is_told_when_the_retries_are_used_up(serve):
    client, script = serve(*["UNAVAILABLE"] * 9, retries=2)
    with pytest.raises(ServingError, match="UNAVAILABLE: the queue is full") as caught:
        client.encode(IMAGE)
    assert (caught.value.code, caught.value.reason) == (
        "UNAVAILABLE",
        "the queue is full",
    )
    assert script.requests == 3


def test_a_request_that_is_wrong_is_not_asked_again(serve):
    client, script = serve("INVALID_ARGUMENT")
    with pytest.raises(ServingError, match="INVALID_ARGUMENT: the queue is full"):
        client.encode(IMAGE)
    assert script.requests == 1


def test_a_server_that_does_not_answer_ends_with_the_deadline(serve):
    client, script = serve(3.0, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        client.encode(IMAGE)
    assert 0.4 < time.monotonic() - began < 2
    assert script.requests == 1


def test_retries_end_with_the_deadline(serve):
    client, script = serve(*["UNAVAILABLE"] * 99, timeout=0.6, retries=99)
    began = time.monotonic()
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        client.encode(IMAGE)
    assert time.monotonic() - began < 2
    assert 2 <= script.requests < 9


@pytest.mark.parametrize("serve", ["rest"], indirect=True)
def test_an_answer_that_is_no_json_is_shown(serve):
    client, script = serve("HTML")
    with pytest.raises(ServingError, match="UNKNOWN: <html>a proxy without a server"):
        client.encode(IMAGE)
    assert script.requests == 1


STRANGE = (
    b"<html>please log in</html>",
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b'{"outputs": {"images": 1}, "model_version_status": 3, "metadata": []}',
    b'{"outputs": [[["a"]]], "model_version_status": [{}], "metadata": {"a": 1}}',
    b'{"outputs": [[[4294967296]]], "model_version_status": [1], "metadata": null}',
)


@pytest.mark.parametrize("serve", ["rest"], indirect=True)
@pytest.mark.parametrize("body", STRANGE)
def test_an_answer_of_something_else_than_the_server_is_an_error(body, serve):
    client, script = serve(*[(200, body)] * 4)
    shown = "UNKNOWN: expected .* of TensorFlow Serving, received "
    shown += re.escape(body.decode(errors="replace") or "nothing")
    with pytest.raises(ServingError, match=shown):
        client.encode(IMAGE)
    with pytest.raises(ServingError, match=shown):
        client.states()
    client._signatures = None
    with pytest.raises(ServingError, match=shown):
        client.signature("encode")
    assert client.is_ready() is False
    assert script.requests == 4


@pytest.mark.parametrize("serve", ["rest"], indirect=True)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "HTTP status 500"),
        (b"", "HTTP status 500"),
        (b"{}", "HTTP status 500"),
        (b"3", "HTTP status 500"),
        (b"out of order", "out of order"),
        (b'{"error": "out of memory"}', "out of memory"),
        (b'{"error": ["out of memory"]}', "['out of memory']"),
    ],
)
def test_a_failure_has_a_reason_whatever_the_body_is(body, reason, serve):
    client, _ = serve(*[(500, body)] * 2)
    with pytest.raises(ServingError) as caught:
        client.encode(IMAGE)
    assert (caught.value.code, caught.value.reason) == ("INTERNAL", reason)
    assert client.is_ready() is False

"""Servers that answer slowly, too much, or something else than what was asked."""

import concurrent.futures
import contextlib
import gzip
import json
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from vqzoo.serving import Client, ServingError
from vqzoo.serving.protocol import Signature, Tensor

ROWS = 2
IMAGES = np.zeros((ROWS, 4, 4, 3), "uint8")
CODES = np.arange(ROWS * 4, dtype="int32").reshape(ROWS, 2, 2)
SIGNATURES = {
    "encode": Signature(
        "encode",
        {"images": Tensor("uint8", (-1, 4, 4, 3))},
        {"bottom_codes": Tensor("int32", (-1, 2, 2))},
    ),
    "reconstruct_bytes": Signature(
        "reconstruct_bytes",
        {"image_bytes": Tensor("string", (-1,))},
        {"image_bytes": Tensor("string", (-1,))},
    ),
    "serving_default": Signature(
        "serving_default",
        {"images": Tensor("uint8", (-1, 4, 4, 3))},
        {"reconstructions": Tensor("uint8", (-1, 4, 4, 3))},
    ),
}


def client_of(host, **options):
    client = Client(host, "hostile", **options)
    client._signatures = SIGNATURES
    return client


@contextlib.contextmanager
def listening(answer, context=None):
    """The port of a server that gives each connection to a function, then closes it."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with contextlib.suppress(OSError):
                    if context is not None:
                        connection = context.wrap_socket(connection, server_side=True)
                    with connection:
                        answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def http(body, *headers):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def sound(codes=CODES):
    return json.dumps({"outputs": codes.tolist()}).encode()


def dripping(data, seconds=0.1):
    def answer(connection):
        connection.recv(2**16)
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(seconds)

    return answer


@pytest.mark.parametrize(
    "data",
    [
        http(sound()),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 999,
        http(sound())[:20] + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 99,
    ],
    ids=["all of it", "headers", "chunks"],
)
def test_a_server_that_drips_ends_with_the_deadline(data):
    with listening(dripping(data)) as port:
        began = time.monotonic()
        with (
            client_of(f"http://127.0.0.1:{port}", timeout=0.5) as client,
            pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
        ):
            client.encode(IMAGES)
        assert 0.4 < time.monotonic() - began < 2


def test_a_body_that_was_cut_at_the_deadline_is_not_taken_for_whole():
    # Without a length the end of the connection is the end of the body.
    head = b"HTTP/1.0 200 OK\r\n\r\n"

    def answer(connection):
        connection.recv(2**16)
        connection.sendall(head + sound())
        time.sleep(1)

    with (
        listening(answer) as port,
        client_of(f"http://127.0.0.1:{port}", timeout=0.3) as client,
        pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
    ):
        client.encode(IMAGES)


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_answer_that_is_too_long_is_refused_while_it_is_read(gzipped):
    body = b"[" + b"0," * 2**22
    data = http(gzip.compress(body), "Content-Encoding: gzip") if gzipped else None

    def answer(connection):
        connection.recv(2**16)
        connection.sendall(data or http(body))

    text = "RESOURCE_EXHAUSTED: .* at most 1,048,576 bytes.*max_answer_bytes raises"
    options = {"max_answer_bytes": 2**20}
    with (
        listening(answer) as port,
        client_of(f"http://127.0.0.1:{port}", **options) as client,
        pytest.raises(ServingError, match=text),
    ):
        client.encode(IMAGES)


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, answer):
        self.answer = answer

    def Predict(self, request, context):
        context.set_compression(grpc.Compression.Gzip)
        response = predict_pb2.PredictResponse()
        for name, value in self.answer.items():
            proto = value
            if isinstance(value, np.ndarray):
                proto = tf.make_tensor_proto(value)
            response.outputs[name].CopyFrom(proto)
        return response


@contextlib.contextmanager
def answering_grpc(answer, credentials=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(answer), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0).wait()


def filled(shape, count=1):
    """A tensor of a few bytes that says it is of a shape."""
    proto = tf.make_tensor_proto(np.zeros(count, "int32"))
    proto.ClearField("tensor_shape")
    for side in shape:
        proto.tensor_shape.dim.add(size=side)
    return proto


WRONG = {
    "fewer rows": CODES[:1],
    "more rows": np.concatenate([CODES, CODES]),
    "another shape": CODES.reshape(ROWS, 4, 1),
    "fewer axes": CODES.reshape(ROWS, 4),
    "real numbers": CODES + 0.7,
    "NaN": np.full(CODES.shape, np.nan, "float32"),
    "codes below 0": CODES - 1,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_an_answer_that_does_not_fit_is_refused_with_what_came(kind, name):
    value = WRONG[name]
    if kind == "grpc":
        server, prefix = answering_grpc({"bottom_codes": value}), ""
    else:
        data = http(sound(value))
        server, prefix = listening(lambda c: (c.recv(2**16), c.sendall(data))), "http"
    with (
        server as port,
        client_of(f"{prefix and 'http://'}127.0.0.1:{port}") as client,
        pytest.raises(ServingError, match="UNKNOWN: expected .*, received .+"),
    ):
        client.encode(IMAGES)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"codes": CODES}, "expected the outputs bottom_codes, received codes"),
        ({"bottom_codes": CODES, "x": CODES}, "outputs bottom_codes, received x"),
        ({}, "expected an output bottom_codes, received none"),
        ({"bottom_codes": filled((ROWS, 2, 2), 9)}, "expected bottom_codes of Tensor"),
        ({"bottom_codes": filled((2**30,))}, r"received int32 \(1073741824,\)"),
        ({"bottom_codes": filled((ROWS, -1, 2))}, r"received int32 \(2, -1, 2\)"),
        ({"bottom_codes": CODES.astype("int64")}, "of int32 .* received int64"),
        ({"bottom_codes": np.zeros(2**21, "int32")}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_an_answer_of_other_names_or_a_lying_buffer_is_refused(answer, text):
    options = {"max_answer_bytes": 2**20}
    with (
        answering_grpc(answer) as port,
        client_of(f"127.0.0.1:{port}", **options) as client,
        pytest.raises(ServingError, match=text),
    ):
        client.encode(IMAGES)


def test_a_shape_that_the_server_names_itself_is_bounded_too():
    proto = filled((ROWS, 2**14, 2**14))
    signature = Signature(
        "encode",
        SIGNATURES["encode"].inputs,
        {"bottom_codes": Tensor("int32", (-1, -1, -1))},
    )
    with (
        answering_grpc({"bottom_codes": proto}) as port,
        client_of(f"127.0.0.1:{port}") as client,
    ):
        client._signatures = {"encode": signature}
        with pytest.raises(ServingError, match="bottom_codes of at most 67,108,864 b"):
            client.encode(IMAGES)


@pytest.mark.parametrize("file", [b"", b"%!PS-Adobe-3.0", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_png_are_refused(file):
    answer = {"image_bytes": np.array([file], object)}
    with (
        answering_grpc(answer) as port,
        client_of(f"127.0.0.1:{port}") as client,
        pytest.raises(ServingError, match="UNKNOWN: expected PNG files"),
    ):
        client.reconstruct([b"x"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Files of a certificate of 127.0.0.1 that signs itself, and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = [str(folder / name) for name in ("cert.pem", "key.pem")]
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    places = ["-out", files[0], "-keyout", files[1]]
    subprocess.run([*command.split(), *subject, *places], check=True, stderr=-3)
    return files


def test_a_wrong_certificate_is_refused_and_a_token_goes_over_tls_alone(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    asked = []
    data = http(sound())

    def answer(connection):
        asked.append(connection.recv(2**16))
        connection.sendall(data)

    with listening(answer, context) as port:
        host = f"https://127.0.0.1:{port}"
        with (
            client_of(host, token="secret") as client,
            pytest.raises(ServingError, match="UNAUTHENTICATED: .*certificate"),
        ):
            client.encode(IMAGES)
        assert asked == []
        options = {"token": "secret", "certificates": certificate[0]}
        with client_of(host, **options) as client:
            np.testing.assert_array_equal(client.encode(IMAGES)[0], CODES)
    assert b"Authorization: Bearer secret\r\n" in asked[0]
    for host in ("http://127.0.0.1:1", "127.0.0.1:1"):
        with pytest.raises(ValueError, match="begin with https:// or grpcs://"):
            Client(host, "x", token="secret")
    with pytest.raises(ValueError, match="received host='ftp://x'"):
        Client("ftp://x", "x")


def test_grpc_goes_over_tls_with_a_token(certificate):
    seen = []

    class Listening(Predictions):
        def Predict(self, request, context):
            seen.append(dict(context.invocation_metadata()).get("authorization"))
            return super().Predict(request, context)

    cert, key = (pathlib.Path(name).read_bytes() for name in certificate)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Listening({"bottom_codes": CODES}), server
    )
    credentials = grpc.ssl_server_credentials([(key, cert)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    host, options = f"grpcs://127.0.0.1:{port}", {"token": "secret", "retries": 0}
    with client_of(host, certificates=certificate[0], **options) as client:
        np.testing.assert_array_equal(client.encode(IMAGES)[0], CODES)
    with (
        client_of(host, **options) as client,
        pytest.raises(ServingError, match="UNAVAILABLE"),
    ):
        client.encode(IMAGES)
    assert seen == ["Bearer secret"]
    server.stop(0).wait()

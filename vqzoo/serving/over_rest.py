"""The protocol of TensorFlow Serving over REST."""

import base64
import contextlib
import functools
import json
import socket
import threading
import time

import numpy as np

from vqzoo.serving.protocol import (
    INITIALIZATION,
    MAX_ANSWER_BYTES,
    ServingError,
    Signature,
    Tensor,
    rows_of,
)

# The server's own table from statuses to HTTP, the other way around. Where several have
# one number, it is the one that a model gives.
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
DTYPES = {
    "DT_FLOAT": "float32",
    "DT_INT32": "int32",
    "DT_STRING": "string",
    "DT_UINT8": "uint8",
}
SHOWN = 500  # characters of an answer that is not understood
# What reading JSON raises that is not what it is taken for.
MISREAD = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
BLOCK = 2**16  # bytes that are read at a time


class OverREST:
    """Requests to one model of a server.

    Args:
        host: str, `http://name:port`, or with `https`.
        model: str.
        token: str, sent as a bearer's token; empty for none.
        certificates: path of a file of the authorities that are trusted instead of
            those of the system, or None.
        max_answer_bytes: int.
    """

    def __init__(
        self,
        host,
        model,
        token="",
        certificates=None,
        max_answer_bytes=MAX_ANSWER_BYTES,
    ):
        import urllib3

        self._most = max_answer_bytes
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        trusted = {"ca_certs": certificates} if certificates else {}
        self._pool = urllib3.connection_from_url(
            host.rstrip("/"), maxsize=32, retries=False, **trusted
        )
        self._path = urllib3.util.parse_url(host.rstrip("/")).path or ""
        self._path += f"/v1/models/{model}"
        self._pool.ConnectionCls = _watched(self._pool.ConnectionCls)

    def predict(self, signature, arrays, timeout):
        """Outputs by name of a signature's inputs by name."""
        inputs = {name: _to_json(array) for name, array in arrays.items()}
        body = {"signature_name": signature.name, "inputs": inputs}
        data = self._ask("POST", ":predict", timeout, json.dumps(body))
        return _read(data, lambda answer: _outputs(answer, signature, rows_of(arrays)))

    def signatures(self, timeout):
        """`{name: Signature}` of the model."""
        return _read(self._ask("GET", "/metadata", timeout), _signatures)

    def states(self, timeout):
        """State of each version of the model, such as `{1: "AVAILABLE"}`."""
        return _read(self._ask("GET", "", timeout), _states)

    def close(self):
        """Ends the connections."""
        self._pool.close()

    def _ask(self, method, path, timeout, body=None):
        """The bytes of the answer to a request, of status 200."""
        import urllib3

        ends = time.monotonic() + timeout
        try:
            status, data = self._answer(method, path, timeout, body)
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise ServingError("UNAVAILABLE", str(error)) from error
        except urllib3.exceptions.SSLError as error:
            raise ServingError("UNAUTHENTICATED", str(error)) from error
        except urllib3.exceptions.HTTPError as error:
            is_late = isinstance(error, urllib3.exceptions.TimeoutError)
            is_late = is_late or time.monotonic() >= ends
            code = "DEADLINE_EXCEEDED" if is_late else "UNAVAILABLE"
            raise ServingError(code, str(error)) from error
        if time.monotonic() >= ends:  # What was cut off then may look whole.
            raise ServingError("DEADLINE_EXCEEDED", f"no answer in {timeout:.3g} s")
        if status != 200:
            raise ServingError(CODES.get(status, "UNKNOWN"), _reason(status, data))
        return data

    def _answer(self, method, path, timeout, body):
        """Status and bytes of the answer to a request."""
        import urllib3

        response = self._pool.request(
            method,
            f"{self._path}{path}",
            body=body,
            headers=self._headers,
            timeout=urllib3.Timeout(total=timeout),
            preload_content=False,
        )
        data = bytearray()
        try:
            for block in response.stream(BLOCK):
                data += block
                if len(data) > self._most:
                    raise ServingError(
                        "RESOURCE_EXHAUSTED",
                        f"expected an answer of at most {self._most:,} bytes, received "
                        "more: max_answer_bytes raises the limit",
                    )
        except BaseException:
            response.close()
            raise
        finally:
            response.alarm.cancel()
        response.release_conn()
        return response.status, bytes(data)


def _watched(connection):
    """A class of connections that are cut when the time of an answer is up.

    The timeouts of a socket are of a single read: a server that sends a byte a second
    never meets them.
    """

    class Watched(connection):
        def getresponse(self):
            cut = functools.partial(_cut, self.sock)
            alarm = threading.Timer(self.timeout, cut)
            alarm.daemon = True
            alarm.start()
            try:
                response = super().getresponse()
            except BaseException:
                alarm.cancel()
                raise
            response.alarm = alarm
            return response

    return Watched


def _cut(connected):
    with contextlib.suppress(OSError):
        # Below TLS, whose own shutdown waits for the other side.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _read(data, read):
    """What the function `read` makes of the JSON of an answer.

    Whoever listens at the address may be no TensorFlow Serving.
    """
    try:
        return read(json.loads(data, parse_constant=_no_number))
    except MISREAD as error:
        raise ServingError(
            "UNKNOWN",
            "expected an answer of TensorFlow Serving, received "
            f"{_shown(data) or 'nothing'}",
        ) from error


def _no_number(name):
    raise ValueError(name)


def _reason(code, data):
    """Why a request failed: what the server says, or else the status."""
    status = f"HTTP status {code}"
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return _shown(data) or status
    return str(answer.get("error", status)) if isinstance(answer, dict) else status


def _shown(data):
    return data[: 4 * SHOWN].decode(errors="replace")[:SHOWN]


def _outputs(answer, signature, rows):
    values = answer["outputs"]
    if len(signature.outputs) == 1:
        values = {name: values for name in signature.outputs}
    return {
        name: _from_json(values[name], tensor, rows)
        for name, tensor in signature.outputs.items()
    }


def _signatures(answer):
    described = answer["metadata"]["signature_def"]["signature_def"]
    return {
        name: Signature(name, _tensors(one["inputs"]), _tensors(one["outputs"]))
        for name, one in described.items()
        if name != INITIALIZATION
    }


def _states(answer):
    return {int(v["version"]): v["state"] for v in answer["model_version_status"]}


def _to_json(array):
    """Values as JSON holds them; bytes in base64."""
    if array.dtype.kind == "O":
        return [{"b64": base64.b64encode(value).decode()} for value in array]
    return array.tolist()


def _from_json(values, tensor, rows):
    """The array of an output; ValueError unless it holds what its dtype can hold."""
    if tensor.dtype == "string":
        files = [base64.b64decode(value["b64"], validate=True) for value in values]
        return np.array([*files, None], object)[:-1]
    array = np.array(values)
    if rows == 0 and array.shape == (0,):  # Lists without rows say nothing of a row.
        return np.zeros((0, *np.maximum(tensor.shape[1:], 0)), tensor.dtype)
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if array.dtype.kind not in "iu" or (
            array.size and not limits.min <= array.min() <= array.max() <= limits.max
        ):
            raise ValueError(f"no values of {dtype}")
    elif array.dtype.kind not in "iuf":
        raise ValueError("no numbers")
    return array.astype(dtype)


def _tensors(infos):
    return {
        name: Tensor(
            DTYPES[info["dtype"]],
            tuple(int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])),
        )
        for name, info in infos.items()
    }

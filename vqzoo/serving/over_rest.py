"""The protocol of TensorFlow Serving over REST."""

import base64
import json

import numpy as np

from vqzoo.serving.protocol import INITIALIZATION, ServingError, Signature, Tensor

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
MISREAD = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


class OverREST:
    """Requests to one model of a server.

    Args:
        host: str, `http://name:port`, or with `https`.
        model: str.
    """

    def __init__(self, host, model):
        import urllib3

        self._url = f"{host.rstrip('/')}/v1/models/{model}"
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)

    def predict(self, signature, arrays, timeout):
        """Outputs by name of a signature's inputs by name."""
        inputs = {name: _to_json(array) for name, array in arrays.items()}
        body = {"signature_name": signature.name, "inputs": inputs}
        response = self._ask("POST", ":predict", timeout, json.dumps(body))
        return _read(response, lambda answer: _outputs(answer, signature))

    def signatures(self, timeout):
        """`{name: Signature}` of the model."""
        return _read(self._ask("GET", "/metadata", timeout), _signatures)

    def states(self, timeout):
        """State of each version of the model, such as `{1: "AVAILABLE"}`."""
        return _read(self._ask("GET", "", timeout), _states)

    def close(self):
        """Ends the connections."""
        self._pool.clear()

    def _ask(self, method, path, timeout, body=None):
        """The response to a request, of status 200."""
        import urllib3

        try:
            response = self._pool.request(
                method,
                f"{self._url}{path}",
                body=body,
                headers={"Content-Type": "application/json"},
                timeout=urllib3.Timeout(total=timeout),
            )
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise ServingError("UNAVAILABLE", str(error)) from error
        except urllib3.exceptions.TimeoutError as error:
            raise ServingError("DEADLINE_EXCEEDED", str(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise ServingError("UNAVAILABLE", str(error)) from error
        if response.status != 200:
            code = CODES.get(response.status, "UNKNOWN")
            raise ServingError(code, _reason(response))
        return response


def _read(response, read):
    """What the function `read` makes of the JSON of a response.

    Whoever listens at the address may be no TensorFlow Serving.
    """
    try:
        return read(json.loads(response.data))
    except MISREAD as error:
        raise ServingError(
            "UNKNOWN",
            "expected an answer of TensorFlow Serving, received "
            f"{_shown(response) or 'nothing'}",
        ) from error


def _reason(response):
    """Why a request failed: what the server says, or else the status."""
    status = f"HTTP status {response.status}"
    try:
        answer = json.loads(response.data)
    except ValueError:
        return _shown(response) or status
    return str(answer.get("error", status)) if isinstance(answer, dict) else status


def _shown(response):
    return response.data.decode(errors="replace")[:SHOWN]


def _outputs(answer, signature):
    values = answer["outputs"]
    if len(signature.outputs) == 1:
        values = {name: values for name in signature.outputs}
    return {
        name: _from_json(values[name], tensor.dtype)
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


def _from_json(values, dtype):
    if dtype == "string":
        return np.array([base64.b64decode(value["b64"]) for value in values], object)
    return np.array(values, dtype)


def _tensors(infos):
    return {
        name: Tensor(
            DTYPES[info["dtype"]],
            tuple(int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])),
        )
        for name, info in infos.items()
    }

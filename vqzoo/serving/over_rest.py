"""The protocol of TensorFlow Serving over REST."""

import base64
import json

import numpy as np

from vqzoo.serving.errors import ServingError
from vqzoo.serving.signature import INITIALIZATION, Signature, Tensor

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
SHOWN = 500  # characters of an answer that is no JSON


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
        """Outputs by name, numpy arrays, of a signature's inputs by name.

        Args:
            signature: `Signature`.
            arrays: dict of numpy arrays.
            timeout: float, seconds.

        Raises:
            ServingError: with the server's reason.
        """
        inputs = {name: _to_json(array) for name, array in arrays.items()}
        body = {"signature_name": signature.name, "inputs": inputs}
        answer = self._ask("POST", ":predict", timeout, json.dumps(body))["outputs"]
        if len(signature.outputs) == 1:
            answer = {name: answer for name in signature.outputs}
        return {
            name: _from_json(answer[name], tensor.dtype)
            for name, tensor in signature.outputs.items()
        }

    def signatures(self, timeout):
        """`{name: Signature}` of the model."""
        answer = self._ask("GET", "/metadata", timeout)
        described = answer["metadata"]["signature_def"]["signature_def"]
        return {
            name: Signature(name, _tensors(one["inputs"]), _tensors(one["outputs"]))
            for name, one in described.items()
            if name != INITIALIZATION
        }

    def states(self, timeout):
        """State of each version of the model, such as `{1: "AVAILABLE"}`."""
        answer = self._ask("GET", "", timeout)
        return {int(v["version"]): v["state"] for v in answer["model_version_status"]}

    def close(self):
        """Ends the connections."""
        self._pool.clear()

    def _ask(self, method, path, timeout, body=None):
        """The JSON of an answer."""
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
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = {"error": response.data.decode(errors="replace")[:SHOWN]}
        if response.status != 200:
            code = CODES.get(response.status, "UNKNOWN")
            reason = answer.get("error", f"HTTP status {response.status}")
            raise ServingError(code, reason)
        return answer


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

"""JSON to tensors and back, by the rules of TensorFlow Serving's REST interface."""

import base64
import binascii
import json

import numpy as np
import tensorflow as tf
from served_models import StatusError
from tensorflow_serving.apis import predict_pb2

DECIMALS = (tf.float32, tf.float64)


def parse(body, find_inputs):
    """A `PredictRequest` without a model, and whether it came in rows.

    Args:
        body: bytes, JSON.
        find_inputs: function from a signature's name to its `{name: TensorInfo}`.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _wrong(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise _wrong(f"JSON Value: {document!r} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _wrong("'signature_name' key must be a string value.")
    infos = find_inputs(name)
    given = {"instances", "inputs"} & set(document)
    if len(given) != 1:
        raise _wrong("Missing 'inputs' or 'instances' key" if not given else "Both")
    in_rows = given == {"instances"}
    columns = _columns_of_rows(document["instances"], infos) if in_rows else None
    columns = columns or _columns(document["inputs"], infos)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = name
    for key, values in columns.items():
        dtype = tf.dtypes.as_dtype(infos[key].dtype)
        request.inputs[key].CopyFrom(_to_proto(values, dtype))
    return request, in_rows


def dump(response, in_rows):
    """The JSON of a `PredictResponse`, bytes."""
    outputs = {
        key: _to_values(key, tf.make_ndarray(proto))
        for key, proto in response.outputs.items()
    }
    if in_rows:
        rows = [dict(zip(outputs, row)) for row in zip(*outputs.values())]
        if len(outputs) == 1:
            rows = next(iter(outputs.values()))
        return json.dumps({"predictions": rows}).encode()
    if len(outputs) == 1:
        return json.dumps({"outputs": next(iter(outputs.values()))}).encode()
    return json.dumps({"outputs": outputs}).encode()


def _wrong(reason):
    return StatusError("INVALID_ARGUMENT", reason)


def _is_base64(value):
    return (
        isinstance(value, dict)
        and set(value) == {"b64"}
        and isinstance(value["b64"], str)
    )


def _columns_of_rows(rows, infos):
    """Values by input of `instances`: a list of values, or of objects by input."""
    if not isinstance(rows, list):
        raise _wrong("Excepting 'instances' to be an list/array")
    if not rows:
        raise _wrong("No values in 'instances' array")
    named = [isinstance(row, dict) and not _is_base64(row) for row in rows]
    if not any(named):
        if len(infos) > 1:
            raise _wrong("instances is a plain list, but expecting list of objects")
        return {next(iter(infos)): rows}
    for index, row in enumerate(rows):
        if not named[index] or set(row) != set(infos):
            keys = ",".join(sorted(infos))
            raise _wrong(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"keys must be equal to: {keys}"
            )
    return {name: [row[name] for row in rows] for name in infos}


def _columns(values, infos):
    """Values by input of `inputs`: an object by input, or the one input itself."""
    if not isinstance(values, dict) or _is_base64(values):
        if len(infos) > 1:
            raise _wrong("inputs is a plain value/list, but expecting an object")
        return {next(iter(infos)): values}
    for name in infos:
        if name not in values:
            raise _wrong(f"Missing named input: {name} in 'inputs' object.")
    return {name: values[name] for name in infos}


def _to_proto(values, dtype):
    shape, flat = [], []
    inner = values
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    _fill(values, 0, shape, dtype, flat)
    if dtype == tf.uint8:  # the server keeps the lowest bits
        flat = np.array(flat, "int64").astype("uint8")
    return tf.make_tensor_proto(flat, dtype, shape)


def _fill(value, level, shape, dtype, flat):
    if not isinstance(value, list):
        if level != len(shape):
            raise _wrong(f"JSON Value: {value!r} found at incorrect level: {level + 1}")
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape) or len(value) != shape[level]:
        raise _wrong(f"Encountered list at unexpected size: {len(value)}")
    for each in value:
        _fill(each, level + 1, shape, dtype, flat)


def _scalar(value, dtype):
    if dtype == tf.string:
        if isinstance(value, str):
            return value.encode()
        if _is_base64(value):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, ValueError) as error:
                raise _wrong("Unable to base64 decode") from error
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype in DECIMALS and is_number:
        return float(value)
    is_int = is_number and isinstance(value, int)
    if dtype.is_integer and is_int and -(2**31) <= value < 2**31:
        return value
    raise _wrong(f"JSON Value: {value!r} is not of expected type: {dtype.name}")


def _to_values(name, array):
    if array.dtype.kind != "O":
        return array.tolist()
    if not name.endswith("_bytes"):
        return [text.decode() for text in array]
    return [{"b64": base64.b64encode(text).decode()} for text in array]

"""What goes over the wire, whoever carries it: signatures, parts of a batch, errors.

A transport speaks to one model of a server. Its methods take the seconds that they may
last and raise `ServingError` with the server's reason: `predict(signature, arrays,
timeout)` gives the outputs by name, numpy arrays, of a signature's inputs by name;
`signatures(timeout)` gives `{name: Signature}`; and `states(timeout)` the state of each
version of the model. `close()` ends the connection. What comes is not believed before
`check` has held it against what was asked.
"""

import dataclasses
import random
import time

import numpy as np

# What `batching_parameters.txt` of an artifact tells the server to put together.
MAX_BATCH_SIZE = 32
# What gRPC takes in one message by default, less a little for what is around the data.
MAX_REQUEST_BYTES = 4 * 2**20 - 2**16
# Of an answer. As JSON it takes up to ten times as much while it is read.
MAX_ANSWER_BYTES = 2**26
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0  # seconds
# A signature of every SavedModel, not for users, with neither inputs nor types.
INITIALIZATION = "__saved_model_init_op"


class ServingError(RuntimeError):
    """A request that was not answered.

    Args:
        code: str, the status by its gRPC name, such as `"INVALID_ARGUMENT"`.
        reason: str, what the server said, or what happened on the way to it.
        asked: str, what was asked of whom.
    """

    def __init__(self, code, reason, asked=""):
        super().__init__(f"{asked}: {code}: {reason}" if asked else f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Args:
        dtype: str, such as `"uint8"`, or `"string"` for bytes.
        shape: tuple of int, the batch first; -1 for any size.
    """

    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a served model.

    Args:
        name: str.
        inputs: `{name: Tensor}`.
        outputs: `{name: Tensor}`.
    """

    name: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def codes(self, tensors):
        """Names of the codes among the inputs or outputs, top first."""
        from vqzoo.models import tiers

        count = sum(name.endswith("_codes") for name in tensors)
        return [f"{tier}_codes" for tier in tiers.tier_names(count)]


def rows_of(arrays):
    """The length of the batch of arrays by name."""
    return len(next(iter(arrays.values())))


def check_head(name, dtype, shape, signature, rows):
    """Raises ServingError unless an output has the dtype and shape that it must have.

    Args:
        name: str, of the output.
        dtype: str, as in `Tensor`.
        shape: sequence of int.
        signature: `Signature` that was asked for.
        rows: int, of the request.
    """
    tensor = signature.outputs.get(name)
    if tensor is None:
        raise unexpected(f"the outputs {', '.join(signature.outputs)}", name)
    wanted = (rows, *tensor.shape[1:])
    fits = len(shape) == len(wanted) and all(
        want in (-1, side) for want, side in zip(wanted, shape)
    )
    if dtype != tensor.dtype or not fits:
        raise unexpected(
            f"{name} of {tensor.dtype} and shape {wanted}", f"{dtype} {tuple(shape)}"
        )


def check(outputs, signature, arrays):
    """Raises ServingError unless outputs are what a signature gives for its inputs.

    Args:
        outputs: dict of numpy arrays by name.
        signature: `Signature`.
        arrays: dict of numpy arrays, the inputs by name.
    """
    if missing := set(signature.outputs) - set(outputs):
        received = ", ".join(sorted(outputs)) or "none"
        raise unexpected(f"an output {', '.join(sorted(missing))}", received)
    codes = signature.codes(signature.outputs)
    for name, array in outputs.items():
        dtype = "string" if array.dtype.kind == "O" else array.dtype.name
        check_head(name, dtype, array.shape, signature, rows_of(arrays))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise unexpected(f"finite values of {name}", "others")
        if name in codes and array.size and array.min() < 0:
            raise unexpected(f"{name} of at least 0", array.min())
    if "label" in outputs and "label" in arrays:
        asked, received = arrays["label"], outputs["label"]
        if (received != asked)[asked >= 0].any():
            raise unexpected(f"label {asked[0]}", np.unique(received)[:9].tolist())


def unexpected(expected, received):
    """The error for an answer that does not fit the request."""
    return ServingError("UNKNOWN", f"expected {expected}, received {received}")


def retrying(call, asked, timeout, retries):
    """What `call` returns, called again while the server is not available.

    A call may have been executed although no answer came. That does no harm: answers
    depend on the inputs and their seeds alone, and change nothing in the server.

    Args:
        call: function of the seconds that are left, which raises `ServingError`. Only
            `UNAVAILABLE` is tried again: nobody listens, or the server's queue is full.
        asked: str, for the message of an error.
        timeout: float, seconds for all attempts together.
        retries: int, attempts after the first.

    Raises:
        ServingError: the last one, or DEADLINE_EXCEEDED.
    """
    ends = time.monotonic() + timeout
    attempt = 0
    while True:
        try:
            return call(max(ends - time.monotonic(), 1e-3))
        except ServingError as error:
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.5, 1)
            late = time.monotonic() + wait >= ends
            if error.code != "UNAVAILABLE" or attempt >= retries or late:
                raise ServingError(error.code, error.reason, asked) from error
        time.sleep(wait)
        attempt += 1


def split(arrays, max_batch_size):
    """Parts of a batch, in order, that the server takes: at least one.

    Args:
        arrays: dict of numpy arrays whose first axis is the batch.
        max_batch_size: int.
    """
    count = rows_of(arrays)
    rows = rows_of_request(arrays, max_batch_size)
    return [
        {name: array[start : start + rows] for name, array in arrays.items()}
        for start in range(0, max(count, 1), rows)
    ]


def rows_of_request(arrays, max_batch_size):
    """How many rows of a batch go into one request: an int of at least 1."""
    row = sum(map(_bytes_of_row, arrays.values()))
    return max(1, min(max_batch_size, MAX_REQUEST_BYTES // max(row, 1)))


def _bytes_of_row(array):
    if array.dtype.kind == "O":
        return max(map(len, array), default=0)
    return array[:1].nbytes


def join(parts):
    """Outputs by name of the parts of a batch, put together."""
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

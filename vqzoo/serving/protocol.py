"""What goes over the wire, whoever carries it: signatures, parts of a batch, errors.

A transport speaks to one model of a server. Its methods take the seconds that they may
last and raise `ServingError` with the server's reason: `predict(signature, arrays,
timeout)` gives the outputs by name, numpy arrays, of a signature's inputs by name;
`signatures(timeout)` gives `{name: Signature}`; and `states(timeout)` the state of each
version of the model. `close()` ends the connection.
"""

import dataclasses
import random
import time

import numpy as np

# What `batching_parameters.txt` of an artifact tells the server to put together.
MAX_BATCH_SIZE = 32
# What gRPC takes in one message by default, less a little for what is around the data.
MAX_REQUEST_BYTES = 4 * 2**20 - 2**16
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


def retrying(call, asked, timeout, retries):
    """What `call` returns, called again while the server is not to be had.

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
    count = len(next(iter(arrays.values())))
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

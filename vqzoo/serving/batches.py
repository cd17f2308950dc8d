"""How much goes into one request."""

import numpy as np

# What `batching_parameters.txt` of an artifact tells the server to put together.
MAX_BATCH_SIZE = 32
# What gRPC takes in one message by default, less a little for what is around the data.
MAX_REQUEST_BYTES = 4 * 2**20 - 2**16


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
    """How many rows of a batch go into one request: an int of at least 1.

    Args:
        arrays: dict of numpy arrays whose first axis is the batch.
        max_batch_size: int.
    """
    row = sum(map(_bytes_of_row, arrays.values()))
    return max(1, min(max_batch_size, MAX_REQUEST_BYTES // max(row, 1)))


def _bytes_of_row(array):
    if array.dtype.kind == "O":
        return max(map(len, array), default=0)
    return array[:1].nbytes


def join(parts):
    """Outputs by name of the parts of a batch, put together."""
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

"""Semantic IDs: made unique, counted, written and read."""

import csv
import pathlib

import numpy as np

COLUMNS = ("key", "id")


def distinct(vectors):
    """The number of each item's vector among the distinct vectors: int `(N,)`.

    Args:
        vectors: `(N, D)`. Items with equal vectors are duplicates and share an ID.
    """
    rows = np.ascontiguousarray(vectors)
    rows = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))
    return np.unique(rows.ravel(), return_inverse=True)[1].ravel()


def summarize(codes, same=None):
    """How well IDs distinguish items.

    Args:
        codes: int `(N, n)`.
        same: int `(N,)` from `distinct`, or None if there are no duplicates.

    Returns:
        dict: `items`; `duplicates`, items with the vector of an earlier one; and of
        the rest `unique`, the share with an ID of their own, `collisions_per_1000`, how
        many in 1,000 have the ID of an earlier item, and `largest_group` with one ID.
    """
    codes, _ = _items(codes, same)
    _, counts = np.unique(codes, axis=0, return_counts=True)
    return {
        "items": len(codes) + _num_duplicates(same),
        "duplicates": _num_duplicates(same),
        "unique": float(np.sum(counts == 1) / len(codes)),
        "collisions_per_1000": float(1000 * (1 - len(counts) / len(codes))),
        "largest_group": int(counts.max()),
    }


def add_level(codes, same=None):
    """IDs with one more level, which numbers the items of each ID from 0.

    Args: as in `summarize`.

    Returns:
        int32 `(N, n + 1)`. Items that are no duplicates have different IDs.

    Source: Rajput et al. 2023, arXiv 2305.05065 (TIGER), section 3.1.
    """
    codes, back = _items(codes, same)
    _, group = np.unique(codes, axis=0, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    lengths = np.diff(np.append(starts, len(order)))
    numbers = np.empty(len(codes), np.int32)
    numbers[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return np.concatenate([codes, numbers[:, None]], axis=1).astype("int32")[back]


def reassign(codes, costs_of, num_codes, same=None):
    """Changes last codes so that IDs are unique, at the least cost.

    Items that share all codes but the last are assigned together, each to a last code
    of its own (the assignment problem, a balanced optimal transport). A group with more
    items than codes stays as it is: `add_level` resolves it.

    Args:
        codes: int `(N, n)`.
        costs_of: function from int items `(m,)` and their common codes `(n - 1,)` to
            float `(m, num_codes)`, the cost of each last code.
        num_codes: int, K.
        same: as in `summarize`.

    Returns:
        int32 `(N, n)`.

    Source: Zheng et al. 2024, arXiv 2311.09049 (LC-Rec), section 3.2. Differs: exact
        instead of Sinkhorn's iterations.
    """
    from scipy.optimize import linear_sum_assignment

    codes, back = _items(codes, same)
    first = np.unique(back, return_index=True)[1]
    codes = codes.astype("int32").copy()
    _, ids = np.unique(codes, axis=0, return_inverse=True)
    taken = np.bincount(ids.ravel())[ids.ravel()] > 1
    _, group = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if taken[members].any() and len(members) <= num_codes:
            costs = costs_of(first[members], codes[members[0], :-1])
            rows, columns = linear_sum_assignment(costs)
            codes[members[rows], -1] = columns
    return codes[back]


def changed(before, after):
    """Shares of items whose codes differ between two sets of IDs.

    Args:
        before: int `(N, n)`.
        after: int `(N, n)`, of the same items.

    Returns:
        list of n floats: for the first code, the first two, ..., the whole ID.
    """
    differ = np.logical_or.accumulate(np.asarray(before) != np.asarray(after), axis=1)
    return differ.mean(axis=0).tolist()


def write(path, keys, codes):
    """Writes keys and IDs to a .parquet or a .csv file.

    Args:
        path: path. In a .csv file, hyphens join the codes of an ID.
        keys: `(N,)`, ints or strings.
        codes: int `(N, n)`.
    """
    path = pathlib.Path(path)
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            texts = ("-".join(map(str, row)) for row in codes.tolist())
            writer.writerows(zip(np.asarray(keys).tolist(), texts))
        return
    import pyarrow
    from pyarrow import parquet

    codes = np.ascontiguousarray(codes, "int32")
    offsets = np.arange(0, codes.size + 1, codes.shape[1], dtype="int32")
    lists = pyarrow.ListArray.from_arrays(offsets, codes.ravel())
    table = pyarrow.table(dict(zip(COLUMNS, (pyarrow.array(keys), lists))))
    parquet.write_table(table, path)


def read(path):
    """Keys and IDs of a file that `write` made.

    Returns:
        `(keys, codes)`: `(N,)`, strings from a .csv file, and int32 `(N, n)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it has no columns `key` and `id`, or IDs of several lengths.
    """
    path = pathlib.Path(path)
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        names, keys = header, np.array([row[0] for row in rows])
        codes = [row[1].split("-") for row in rows] if header == [*COLUMNS] else []
    else:
        from pyarrow import parquet

        table = parquet.read_table(path)
        names = table.column_names
        if set(COLUMNS) <= set(names):
            keys, codes = table["key"].to_numpy(), table["id"].to_pylist()
    if not set(COLUMNS) <= set(names):
        raise ValueError(f"expected columns key and id in {path}, found {names}")
    lengths = set(map(len, codes))
    if len(lengths) != 1:
        raise ValueError(f"expected IDs of one length in {path}, found {lengths}")
    return keys, np.array(codes).astype("int32")


def has_parquet():
    """Whether pyarrow is installed."""
    import importlib.util

    return importlib.util.find_spec("pyarrow") is not None


def _items(codes, same):
    """Codes of distinct items, and the number of each item among them."""
    codes = np.asarray(codes)
    if codes.ndim != 2 or not len(codes):
        raise ValueError(f"expected codes of shape (N, n), received {codes.shape}")
    if same is None:
        return codes, np.arange(len(codes))
    _, first, back = np.unique(same, return_index=True, return_inverse=True)
    # In the order of first occurrence, so that added levels follow the file.
    place = np.empty(len(first), int)
    place[np.argsort(first)] = np.arange(len(first))
    return codes[np.sort(first)], place[back.ravel()]


def _num_duplicates(same):
    return 0 if same is None else len(same) - len(np.unique(same))

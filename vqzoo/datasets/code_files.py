"""Files of the codes of a data set: arrays, a header, a lock."""

import contextlib
import json
import os
import platform
import sys
import zlib

import filelock
import numpy as np

HEADER = "codes.json"
LOCK = "codes.lock"
NAMES = {"model", "data", "num_embeddings", "class_names", "tier_shapes", "splits"}
_BLOCK = 2**24  # bytes per step of a checksum


@contextlib.contextmanager
def alone(folder):
    """Locks a folder of codes against other processes; waits for a running one."""
    path = folder / LOCK
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        owner = path.read_text() or "another process"
        print(f"waiting for {owner}, which writes {folder}", file=sys.stderr)
        lock.acquire()
    try:
        path.write_text(f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        lock.release()


def deliver(arrays, folder, state, name):
    """Records the checksums of a split's files and gives them their final names."""
    for array in arrays.values():
        array.flush()
    state["sums"] = {key: _sum(aside(folder, name, key)) for key in arrays}
    for key in arrays:
        os.replace(aside(folder, name, key), place(folder, name, key))


def are_begun(folder, header, name):
    """Whether all unfinished files of a split exist."""
    return all(aside(folder, name, key).exists() for key in keys(header))


def place(folder, name, key):
    """The file that holds the codes of a tier, or the labels, of a split."""
    return folder / f"{name}_{key}.npy"


def aside(folder, name, key):
    """The same file while it is written."""
    return folder / f"{name}_{key}.part"


def _sum(path):
    """CRC-32 of a file."""
    value = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


def check_sums(folder, header, name):
    """Raises ValueError if a split's files have changed."""
    # Earlier versions recorded none.
    for key, known in header["splits"][name].get("sums", {}).items():
        path = place(folder, name, key)
        if _sum(path) != known:
            raise ValueError(
                f"expected {path} as it was written, received a file of another "
                "checksum: remove its folder and extract the codes again"
            )


def keys(header):
    """Keys of the files of a split: tiers, real numbers beside codes, `label`."""
    beside = map(values_of, header.get("num_values", ()))
    return [
        *header["tier_shapes"],
        *beside,
        *(["label"] if header["labels"] else []),
    ]


def values_of(tier):
    """The name of the real numbers that accompany the codes of a tier."""
    return f"{tier}_values"


def shapes(header):
    """Shapes of an image's codes, and of the numbers beside them, by key."""
    known = header["tier_shapes"]
    beside = header.get("num_values", {})
    return known | {values_of(t): (*known[t], count) for t, count in beside.items()}


def open_arrays(folder, header, name, at=place, mode="r"):
    """The arrays of a split by key, mapped from the disk.

    Raises:
        ValueError: if a file cannot be read or has another shape.
    """
    size = header["splits"][name]["size"]
    arrays = {}
    for key in keys(header):
        path = at(folder, name, key)
        expected = (size, *shapes(header).get(key, ()))
        try:
            arrays[key] = np.load(path, mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"expected the codes of {size} images in {path}, received a file that "
                f"cannot be read ({error}): extract them again"
            ) from error
        if arrays[key].shape != expected:
            raise ValueError(
                f"expected codes of shape {expected} in {path}, received "
                f"shape={arrays[key].shape}"
            )
    return arrays


def read_header(folder):
    """What `write_header` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = folder / HEADER
    try:
        header = json.loads(path.read_text())
        if not isinstance(header, dict) or not NAMES <= set(header):
            raise ValueError(f"no object with {', '.join(sorted(NAMES))}")
        return header
    except FileNotFoundError as error:
        raise FileNotFoundError(f"expected codes in {folder}, received none") from error
    except ValueError as error:
        raise ValueError(
            f"expected JSON in {path}, received a damaged file ({error})"
        ) from error


def write_header(folder, header):
    """Writes whose codes there are, how many, and the sums of their files."""
    part = folder / f"{HEADER}.part"  # Only one process writes.
    part.write_text(json.dumps(header, indent=2) + "\n")
    os.replace(part, folder / HEADER)

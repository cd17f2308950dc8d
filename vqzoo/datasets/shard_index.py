"""The index of each shard, built once: keys, places of images, labels."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

from vqzoo.datasets.shards import Columns, file_system, open_shard

_THREADS = 8  # they mostly wait for remote shards
_MOST_KEYS = 2**26  # compared at once
_KEPT = 64  # indices kept in memory
_VERSION = b"1"  # of the index files


@dataclasses.dataclass(frozen=True)
class Index:
    """The records of one shard that have images, in file order.

    Args:
        keys: uint64 `(N,)`, hashes of their keys.
        places: int64 `(N, 2)`, as in `shards.Record`.
        labels: str `(N,)`.
    """

    keys: np.ndarray
    places: np.ndarray
    labels: np.ndarray


class Indices:
    """The indices of all shards, on disk except for the few in use.

    Args:
        paths: as from `shards.expand`.
        columns: names of the parts of a record.
        folder: of the index files. Defaults to one in XDG_CACHE_HOME, or ~/.cache.

    Raises:
        ValueError: if a shard is broken or empty, or a key occurs twice.
        OSError: if the folder cannot be written.
    """

    def __init__(
        self, paths: Sequence[str], columns: Columns, folder: str = ""
    ) -> None:
        from tqdm import tqdm

        cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = folder or pathlib.Path(cache, "vqzoo", "shards")
        self._folder = pathlib.Path(folder).expanduser()
        self._columns, self.paths = columns, list(paths)
        self.of = functools.lru_cache(_KEPT)(self._of)
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(self._file, self.paths)
            bar = tqdm(found, "shards", len(self.paths), delay=3, mininterval=0.5)
            try:
                self._files = list(bar)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._check_keys()

    def __iter__(self) -> Iterator[Index]:
        return map(self._of, range(len(self.paths)))

    def _of(self, number):
        return _load(self._files[number])

    def _file(self, path):
        """The file of a shard's index, which is built if it is missing."""
        files, inner = file_system(path)
        text = f"{files.ukey(inner)} {self._columns}"
        name = hashlib.sha256(_VERSION + text.encode()).hexdigest()
        file = self._folder / f"{name[:40]}.npz"
        with contextlib.suppress(Exception):  # Missing or damaged.
            _load(file)
            return file
        index = dataclasses.asdict(make(path, self._columns))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as aside:
                np.savez(aside, **index)
            os.replace(aside.name, file)
        except OSError as error:
            raise OSError(
                error.errno,
                f"expected --index_dir to be a folder that can be written, "
                f"{self._folder} cannot: {error.strerror}",
            ) from error
        return file

    def _check_keys(self):
        """Raises ValueError if two records have the same key."""
        total = sum(len(index.keys) for index in self)
        rounds = -(-total // _MOST_KEYS)
        for number in range(rounds):
            keys = [index.keys[index.keys % rounds == number] for index in self]
            owners = np.repeat(np.arange(len(keys)), [len(some) for some in keys])
            keys = np.concatenate(keys)
            pairs = repeated(keys)
            if len(pairs):
                pair = pairs[0]
                raise ValueError(
                    "expected each key once in all shards, found "
                    f"{len(pairs):,} again: "
                    f"{self._name(keys[pair[0]], owners[pair[0]])} is in "
                    f"{' and in '.join(self.paths[n] for n in owners[pair])}; "
                    "--key_column names another column of keys"
                )

    def _name(self, key, number):
        records = open_shard(self.paths[number], self._columns).records(images=False)
        return next((r.key for r in records if hash_of(r.key) == key), "a key")


def make(path: str, columns: Columns) -> Index:
    """Reads a shard and indexes its records, except those without an image.

    Raises: ValueError: if the shard is cut short or broken, or has no images.
    """
    keys, places, labels = [], [], []
    for record in open_shard(path, columns).records(images=False):
        if any(record.place):
            keys.append(hash_of(record.key))
            places.append(record.place)
            labels.append(record.label)
    if not keys:
        raise ValueError(f"expected images in the shard {path}, it is empty")
    arrays = np.array(keys, np.uint64), np.array(places, np.int64), np.array(labels)
    return Index(*arrays)


def _load(file):
    with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as found:
        return Index(*(found[field.name] for field in dataclasses.fields(Index)))


def hash_of(key: str) -> int:
    """64 bits of a key, equal for equal keys."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def repeated(hashes: np.ndarray) -> np.ndarray:
    """Positions of each repeated value and of the one before it: int64 `(M, 2)`."""
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    return np.stack([order[same], order[same + 1]], axis=1)


def sides(keys: np.ndarray, seed: int, shares: Sequence[float]) -> np.ndarray:
    """The side of each key, from the key and the seed alone: int8 `(N,)`.

    Args:
        keys: uint64 `(N,)`.
        seed: int; another one gives other sides.
        shares: of sides 1, 2 and so on; side 0 gets the rest.
    """
    with np.errstate(over="ignore"):
        # SplitMix64 (Steele, Lea and Flood 2014) with the key as its state.
        mixed = keys + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    found = np.searchsorted(np.cumsum(shares), mixed / 2.0**64, "right")
    return ((found + 1) % (len(shares) + 1)).astype(np.int8)

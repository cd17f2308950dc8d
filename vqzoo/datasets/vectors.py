"""Vectors with keys, such as embeddings of items, as splits."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.arrays import read
from vqzoo.datasets.holdout import assign_rows, content_digest
from vqzoo.datasets.photos import photographs
from vqzoo.datasets.splits import Split, Splits

# Usual names of vectors and keys in files; the first that exists counts.
_VECTORS = ("vectors", "vector", "embeddings", "embedding", "features", "x")
_KEYS = ("keys", "key", "item_id", "ids", "id")
_BLOCK = 2**16  # rows
_NAMED = 5  # rows named in an error
_PATCH, _NUM_PATCHES = 8, 20_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Vectors in the order of their file.

    Args:
        keys: `(N,)`, ints or strings; row numbers if the file has none.
        vectors: float32 `(N, D)`.
        splits: dict of "train", "validation" and "test" to the int rows of each.
    """

    keys: np.ndarray
    vectors: np.ndarray
    splits: dict[str, np.ndarray]


def load_vectors(
    name: str,
    *,
    data_dir: str | os.PathLike[str] = "",
    vectors: str = "",
    keys: str = "",
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Load vectors as training, validation and test items.

    A tenth of the different vectors is held out for the test split, by their content:
    equal vectors are in one split.

    Args:
        name: "arrays", the .npy, .npz or Parquet file `data_dir`; or "patches" of 8 x 8
            pixels of photographs in installed packages.
        data_dir: path of the file. A .npy file holds float `(N, D)`; others hold it
            under a name such as `vectors` or `embeddings`.
        vectors: str, name of the array or column of vectors. Defaults to the first
            usual name that exists.
        keys: str, name of that of the keys, which are unique. Defaults to the first
            usual name that exists, else to row numbers.
        validation_fraction: float in (0, 0.9), of the training items.
        seed: int; another one holds out other vectors.

    Returns:
        `Splits` of items `vector`, float32 `(batch, D)`, with `table`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the format is wrong, vectors differ in width or are not finite,
            or items share a key; it names the keys.
    """
    if name == "patches":
        found, names, source = _patches(), None, name
    elif name != "arrays":
        raise ValueError(
            f"expected --dataset to be arrays or patches for vectors, received {name!r}"
        )
    else:
        source = pathlib.Path(data_dir)
        if not data_dir or not source.is_file():
            raise FileNotFoundError(
                "expected --data_dir to be a .npy, .npz or .parquet file of vectors, "
                f"found none at {str(data_dir)!r}"
            )
        found, names = _read(source, vectors, keys)
    names = np.arange(len(found)) if names is None else names
    found = _checked(found, names, source)
    digests = [content_digest(row) for row in found]
    options = {"validation_fraction": validation_fraction, "seed": seed}
    rows = assign_rows(digests, ["train"] * len(found), **options)
    digest = hashlib.sha256(repr(found.shape).encode())
    for value in (*digests, *(rows[split].tobytes() for split in rows)):
        digest.update(value)
    return Splits(
        **{split: _split(found, chosen) for split, chosen in rows.items()},
        name=name,
        image_shape=(found.shape[1],),
        class_names=(),
        fingerprint=digest.hexdigest(),
        summary=_summary(source, found, digests, rows),
        table=Table(keys=names, vectors=found, splits=rows),
    )


def describe(splits: Splits) -> list[str]:
    """A summary of what was read, one to four lines."""
    found = splits.summary
    counts = ", ".join(f"{n} {count:,}" for n, count in found["splits"].items())
    lines = [
        f"Data: {found['source']}, {found['vectors']:,} vectors of {found['width']}",
        f"Splits: {counts}",
    ]
    if same := found.get("duplicates"):
        lines.append(f"Duplicates: {same:,} vectors equal an earlier one: same ID")
    if columns := found.get("constant_columns"):
        some = ", ".join(map(str, columns[:_NAMED]))
        lines.append(f"Constant columns, which say nothing: {len(columns):,} ({some})")
    return lines


def _summary(source, vectors, digests, rows):
    constant = np.flatnonzero(vectors.min(axis=0) == vectors.max(axis=0))
    return {
        "source": str(source),
        "vectors": len(vectors),
        "width": int(vectors.shape[1]),
        "splits": {name: len(chosen) for name, chosen in rows.items()},
        "duplicates": len(vectors) - len(set(digests)),
        "constant_columns": constant.tolist(),
    }


def _split(vectors, rows):
    with tf.device("cpu"):
        tensor, rows = tf.constant(vectors), tf.constant(rows)

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"vector": tf.gather(tensor, tf.gather(rows, indices))}

    return Split(size=len(rows), load=load, item="vector")


def _read(path, vectors, keys):
    """Unchecked vectors of a file, and its keys or None."""
    if path.suffix in (".parquet", ".pq"):
        return _read_parquet(path, vectors, keys)
    arrays = read(path)
    if path.suffix == ".npy":  # It has no names; `read` calls what it holds images.
        return arrays["images"], None
    return arrays[_named(arrays, vectors, _VECTORS, path)], _keys_of(arrays, keys, path)


def _keys_of(columns, name, path):
    if not name and not set(_KEYS) & set(columns):
        return None
    return np.asarray(columns[_named(columns, name, _KEYS, path)])


def _named(columns, name, names, path):
    """The given name, or the first usual one that exists."""
    found = [each for each in ([name] if name else names) if each in columns]
    if not found:
        raise ValueError(
            f"expected one of {', '.join([name] if name else names)} in {path}, found "
            f"{', '.join(columns) or 'nothing'}"
        )
    return found[0]


def _read_parquet(path, vectors, keys):
    try:
        import pyarrow
        from pyarrow import compute, parquet
    except ImportError as error:
        raise ValueError(
            f"expected pyarrow to read {path}: pip install 'vqzoo[parquet]'"
        ) from error
    try:
        names = parquet.read_schema(path).names
        column = _named(names, vectors, _VECTORS, path)
        has_keys = keys or set(_KEYS) & set(names)
        chosen = [_named(names, keys, _KEYS, path)] if has_keys else []
        table = parquet.read_table(path, columns=[column, *chosen])
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from error
    lists, kind = table[column], table[column].type
    if lists.null_count or not pyarrow.types.is_nested(kind):
        raise ValueError(
            f"expected lists of numbers in {column} of {path}, received {kind}, "
            f"{lists.null_count} of them missing"
        )
    widths = np.asarray(compute.list_value_length(lists))
    if len(set(widths.tolist())) != 1:
        raise ValueError(
            f"expected vectors of one width in {column} of {path}, received widths "
            f"from {widths.min()} to {widths.max()}"
        )
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in lists.chunks]
    found = np.concatenate(parts).reshape(len(lists), -1)
    return found, table[chosen[0]].to_numpy() if chosen else None


def _checked(vectors: np.ndarray, keys: Sequence, source) -> np.ndarray:
    """Vectors as float32 `(N, D)`; ValueError if they cannot be items."""
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or 0 in vectors.shape:
        raise ValueError(
            f"expected vectors, numbers of shape (N, D), in {source}, received "
            f"shape={vectors.shape}, dtype={vectors.dtype}"
        )
    if len(keys) != len(vectors):
        raise ValueError(
            f"expected a key for each of the {len(vectors):,} vectors in {source}, "
            f"received {len(keys):,}"
        )
    different, counts = np.unique(keys, return_counts=True)
    if len(different) < len(keys):
        twice = ", ".join(map(str, different[counts > 1][:_NAMED]))
        raise ValueError(
            f"expected different keys in {source}, received {len(keys):,} of which "
            f"{len(different):,} differ, twice {twice}"
        )
    vectors = np.ascontiguousarray(vectors, "float32")
    finite = np.concatenate(
        [
            np.isfinite(vectors[start : start + _BLOCK]).all(axis=1)
            for start in range(0, len(vectors), _BLOCK)
        ]
    )
    if not finite.all():
        named = ", ".join(map(str, np.asarray(keys)[~finite][:_NAMED]))
        raise ValueError(
            f"expected finite vectors in {source}, received {np.sum(~finite):,} with "
            f"NaN or infinity, of the keys {named}: leave them out of the file"
        )
    if (vectors == vectors[0]).all():
        raise ValueError(f"expected different vectors in {source}, all are equal")
    return vectors


def _patches(seed=0):
    """Patches at random positions of the photographs: float32 `(N, 192)`."""
    generator = np.random.default_rng(seed)
    images = list(photographs().values())
    rows = []
    for image in images:
        for _ in range(_NUM_PATCHES // len(images)):
            top, left = (generator.integers(s - _PATCH) for s in image.shape[:2])
            rows.append(image[top : top + _PATCH, left : left + _PATCH].reshape(-1))
    return np.stack(rows).astype("float32") / 255 - 0.5

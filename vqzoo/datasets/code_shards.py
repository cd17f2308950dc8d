"""Codes of a collection in Parquet or TFRecord shards, which `vqzoo encode` writes."""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence

import numpy as np

from vqzoo.datasets import code_files, shard_examples, shard_index
from vqzoo.datasets.holdout import SPLITS
from vqzoo.datasets.shards import file_system

# Readers of Parquet skip files that begin with an underscore.
MANIFEST = "_manifest.json"
ARRAYS = "_arrays"
# Columns beside those of the tiers: name to NumPy type, None for text.
COLUMNS = {
    "key": None,
    "label": None,
    "height": np.int32,
    "width": np.int32,
    "checksum": None,
}
_ROWS = 8192


def columns_of(tiers: Sequence[dict]) -> dict[str, tuple]:
    """Shape and type of each numeric column by name: codes, then values.

    Args:
        tiers: those of a manifest: `name`, `grid`, `num_embeddings`, `num_values`.
    """
    columns = {}
    for tier in tiers:
        small = tier["num_embeddings"] <= 2**16
        grid = tuple(tier["grid"])
        columns[tier["name"]] = grid, np.dtype(np.uint16 if small else np.int32)
        if tier["num_values"]:
            name = code_files.values_of(tier["name"])
            columns[name] = (*grid, tier["num_values"]), np.dtype(np.float32)
    return columns


def is_encoded(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a complete set of shards of codes."""
    files, inner = file_system(os.fspath(folder))
    return files.exists(f"{inner}/{MANIFEST}")


def read_manifest(folder: str | os.PathLike[str]) -> dict:
    """The manifest of shards of codes: the shards and their model.

    Raises:
        FileNotFoundError: if there is no manifest, as the encoding did not finish.
        ValueError: if it is damaged.
    """
    files, inner = file_system(os.fspath(folder))
    try:
        manifest = json.loads(files.cat_file(f"{inner}/{MANIFEST}"))
        if not {"model", "tiers", "shards", "images"} <= set(manifest):
            raise ValueError("it lacks model, tiers, shards or images")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"expected shards of codes with {MANIFEST} in {folder}, received none: "
            "`vqzoo encode` writes it when all shards are there"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"expected JSON in {folder}/{MANIFEST}, received a damaged file ({error})"
        ) from error
    return manifest


def read(
    folder: str | os.PathLike[str],
    names: Sequence[str] = (),
    *,
    check: bool = False,
) -> Iterator[dict]:
    """Rows of all shards in order, some thousand at a time.

    Args:
        folder: as in `read_manifest`.
        names: columns. Defaults to all.
        check: bool, whether to compare the sha256 of each shard first.

    Yields: dicts of arrays by column: codes `(N, *grid)`, texts `(N,)` of objects.

    Raises: ValueError: if a shard is missing or has changed.
    """
    manifest = read_manifest(folder)
    for shard in manifest["shards"]:
        path = f"{os.fspath(folder)}/{shard['file']}"
        if check:
            check_sum(path, shard["sha256"])
        yield from read_shard(path, manifest["tiers"], names)


def check_sum(path: str, known: str) -> None:
    """Raises ValueError if a shard is missing or has another sha256."""
    files, inner = file_system(path)
    try:
        with files.open(inner, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        found = "no file"
    if found != known:
        raise ValueError(
            f"expected the shard {path} as {MANIFEST} has its sha256, received "
            f"{found[:12]}: encode again into another folder"
        )


def read_shard(
    path: str, tiers: Sequence[dict], names: Sequence[str] = ()
) -> Iterator[dict]:
    """Rows of one shard, as in `read`."""
    shapes = columns_of(tiers)
    names = list(names) or [*COLUMNS, *shapes]
    read = _parquet if path.endswith(".parquet") else _tfrecord
    for columns in read(path, names, shapes):
        yield {
            name: np.asarray(values).reshape(-1, *shapes[name][0])
            if name in shapes
            else np.asarray(values, COLUMNS[name] or object)
            for name, values in columns.items()
        }


def _parquet(path, names, shapes):
    import pyarrow.parquet

    files, inner = file_system(path)
    with files.open(inner, "rb") as opened:
        parquet = pyarrow.parquet.ParquetFile(opened)
        for batch in parquet.iter_batches(_ROWS, columns=names):
            yield {
                name: batch.column(name).flatten().to_numpy()
                if name in shapes
                else batch.column(name).to_numpy(zero_copy_only=False)
                for name in names
            }


def _tfrecord(path, names, shapes):
    import tensorflow as tf

    kinds = {}
    for name in names:
        if name in shapes:
            shape, kind = shapes[name]
            stored = tf.float32 if kind == np.float32 else tf.int64
            kinds[name] = tf.io.FixedLenFeature([int(np.prod(shape))], stored)
        else:
            stored = tf.int64 if COLUMNS[name] else tf.string
            kinds[name] = tf.io.FixedLenFeature([], stored)
    contents = (data for _, data in shard_examples.TFRecord(path).contents())
    while records := list(itertools.islice(contents, _ROWS)):
        parsed = tf.io.parse_example(records, kinds)
        columns = {name: values.numpy() for name, values in parsed.items()}
        for name, values in columns.items():
            if values.dtype == object:
                columns[name] = [text.decode() for text in values]
            elif name in shapes:
                columns[name] = values.astype(shapes[name][1])
        yield {name: columns[name] for name in names}


def key_hashes(keys: Sequence[str]) -> np.ndarray:
    """Hashes of keys, uint64 `(N,)`, below 2^63, the most that Beam carries."""
    hashes = np.array([shard_index.hash_of(key) for key in keys], np.uint64)
    return hashes >> np.uint64(1)


def gather(
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str] = "",
    *,
    seed: int = 0,
    held_out: float = 0.1,
) -> str:
    """Writes the codes as arrays that can be read by row, like `codes.extract`.

    Training reads rows in random order, which shards do not allow. Arrays that exist
    are kept. Some thousand rows are in memory at a time.

    Args:
        folder: shards of codes.
        target: folder of the arrays, on this machine. Defaults to one within `folder`.
        seed: int; another one gives other splits.
        held_out: share of the keys, by hash, for validation and again for test.

    Returns: the folder of the arrays.

    Raises: ValueError: if a shard has changed, a split gets no rows, or `folder` is
        in a bucket and there is no `target`.
    """
    import pathlib

    if not target and "://" in os.fspath(folder):
        raise ValueError(f"expected a target on this machine for the codes of {folder}")
    manifest = read_manifest(folder)
    target = pathlib.Path(target or f"{os.fspath(folder)}/{ARRAYS}")
    data = f"{manifest['data']} {seed} {held_out}"
    if (target / code_files.HEADER).exists():
        if code_files.read_header(target)["data"] == data:
            return os.fspath(target)
    target.mkdir(parents=True, exist_ok=True)
    with code_files.alone(target):
        _gather(manifest, folder, target, data, seed, held_out)
    return os.fspath(target)


def _gather(manifest, folder, target, data, seed, held_out):
    tiers, names = manifest["tiers"], manifest["class_names"]
    sizes = np.zeros(len(SPLITS), int)
    for rows in read(folder, ["key"], check=True):
        sizes += np.bincount(_sides(rows["key"], seed, held_out), minlength=len(SPLITS))
    if not sizes.all():
        raise ValueError(
            f"expected enough images in {folder} for three splits, received "
            f"{manifest['images']}, which gives them {sizes.tolist()}"
        )
    header = {
        "model": manifest["model"],
        "data": data,
        "num_embeddings": {tier["name"]: tier["num_embeddings"] for tier in tiers},
        "class_names": names,
        "tier_shapes": {tier["name"]: tier["grid"] for tier in tiers},
        "labels": bool(names),
        "splits": {
            name: {"size": int(size), "done": int(size)}
            for name, size in zip(SPLITS, sizes)
        },
    }
    if values := {t["name"]: t["num_values"] for t in tiers if t["num_values"]}:
        header["num_values"] = values
    columns = columns_of(tiers) | ({"label": ((), np.dtype("int32"))} if names else {})
    arrays = {
        split: {
            key: np.lib.format.open_memmap(
                code_files.aside(target, split, key), "w+", dtype, (int(size), *shape)
            )
            for key, (shape, dtype) in columns.items()
        }
        for split, size in zip(SPLITS, sizes)
    }
    numbers = {name: number for number, name in enumerate(names)}
    done = dict.fromkeys(SPLITS, 0)
    for rows in read(folder, ["key", *columns]):
        sides = _sides(rows.pop("key"), seed, held_out)
        if names:
            rows["label"] = np.array([numbers[label] for label in rows["label"]])
        for number, split in enumerate(SPLITS):
            chosen = sides == number
            stop = done[split] + int(chosen.sum())
            for key, values in rows.items():
                arrays[split][key][done[split] : stop] = values[chosen]
            done[split] = stop
    for split in SPLITS:
        code_files.deliver(arrays[split], target, header["splits"][split], split)
    code_files.write_header(target, header)


def _sides(keys, seed, held_out):
    """0 train, 1 validation, 2 test, by the key and the seed alone."""
    return shard_index.sides(key_hashes(keys), seed, (held_out, held_out))

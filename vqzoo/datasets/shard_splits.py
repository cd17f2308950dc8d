"""Splits whose images stay in their shards until a batch needs them."""

import functools
import hashlib
import os
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets import shards
from vqzoo.datasets.classes import in_order
from vqzoo.datasets.holdout import SPLITS
from vqzoo.datasets.shard_index import Indices, sides
from vqzoo.datasets.shard_order import Order
from vqzoo.datasets.shard_stream import Decoder, Stream
from vqzoo.datasets.splits import Splits

_TEST_SHARE = 0.1
_LOOKED_AT = 16  # images read to find size and channels
_KEPT = 16  # shards whose places are kept in memory


def load_shards(
    data_dir: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    channels: int | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    resize: str = "crop",
    value_range: Sequence[float] = (),
    validation_shards: str = "",
    test_shards: str = "",
    image_column: str = "",
    key_column: str = "",
    label_column: str = "",
    shuffle_window: int = 4096,
    index_dir: str = "",
) -> Splits:
    """Load shards as splits that read images when a batch needs them.

    Each shard is scanned once for keys, labels and places; `index_dir` keeps the
    result. An image that is unreadable or too small is replaced by the next one of its
    batch, with a warning.

    Args:
        data_dir: patterns of the training shards, as in `shards.expand`.
        validation_shards, test_shards: patterns of the other splits. Defaults to a
            share of the keys, by hash: an image keeps its split if shards are added.
        image_column, key_column, label_column: as in `shards.Columns`.
        shuffle_window: int, images shuffled together.
        index_dir: as in `shard_index.Indices`.

    The other arguments are those of `datasets.load`.

    Raises:
        FileNotFoundError: if a shard is missing.
        ValueError: if a shard is broken or empty, a key occurs twice, images have
            several sizes and no size is given, or more than 1 % cannot be read.
    """
    if shuffle_window < 1:
        raise ValueError(
            f"expected --shuffle_window of at least 1, received {shuffle_window}"
        )
    patterns = {"train": (os.fspath(data_dir), "data_dir")}
    patterns["validation"] = validation_shards, "validation_shards"
    patterns["test"] = test_shards, "test_shards"
    found = {
        split: shards.expand(pattern, flag) if pattern else []
        for split, (pattern, flag) in patterns.items()
    }
    paths = [path for split in found for path in found[split]]
    for path in paths:
        if not path.endswith(tuple(s for s in shards.FORMATS if not s.endswith("gz"))):
            raise ValueError(
                "expected uncompressed shards, as batches read from the middle of a "
                f"file, received {path}: unpack it"
            )
    columns = shards.Columns(image=image_column, key=key_column, label=label_column)
    indices = Indices(paths, columns, index_dir)
    given = np.repeat(np.arange(3), [len(found[split]) for split in SPLITS])
    test_share = 0.0 if test_shards else _TEST_SHARE
    share = 0.0 if validation_shards else (1 - test_share) * validation_fraction

    def side_of(number, index):
        if given[number]:
            return np.full(len(index.keys), given[number], np.int8)
        return sides(index.keys, seed, (share, test_share))

    counts, names, digest = np.zeros((3, len(paths)), int), set(), hashlib.sha256()
    for number, index in enumerate(indices):
        counts[:, number] = np.bincount(side_of(number, index), minlength=3)
        names.update(np.unique(index.labels).tolist())
        for part in (index.keys, index.places, index.labels):
            digest.update(part.tobytes())
    for side, split in enumerate(SPLITS):
        if not counts[side].sum():
            raise ValueError(
                f"expected enough images to hold some out for {split}, found "
                f"{counts.sum()}: --{split}_shards names others"
            )

    @functools.lru_cache(len(SPLITS) * _KEPT)
    def chosen(side, number):
        index = indices.of(number)
        rows = np.flatnonzero(side_of(number, index) == side)
        return index.places[rows], index.labels[rows]

    names = () if "" in names else tuple(in_order(names))
    decoder = Decoder(
        size=image_size,
        channels=channels,
        resize=resize,
        value_range=tuple(value_range),
    )
    reader = functools.lru_cache(_KEPT)(
        functools.partial(shards.open_shard, columns=columns)
    )
    first = int(np.flatnonzero(counts[0])[0])
    places = chosen(0, first)[0][:_LOOKED_AT].tolist()
    looked_at = reader(paths[first]).images([tuple(place) for place in places])
    decoder, shape = decoder.decided(looked_at)
    facts = (shape, decoder, names, counts.tolist())
    digest.update(repr(facts).encode())
    sizes = dict(zip(SPLITS, counts.sum(axis=1).tolist()))
    streams = {
        split: Stream(
            paths=paths,
            shards=reader,
            chosen=functools.partial(chosen, side),
            order=Order(tuple(counts[side].tolist()), shuffle_window),
            decoder=decoder,
            shape=shape,
            class_names=names,
        )
        for side, split in enumerate(SPLITS)
    }
    return Splits(
        **{split: stream.split() for split, stream in streams.items()},
        name="shards",
        image_shape=shape,
        class_names=names,
        fingerprint=digest.hexdigest(),
        summary={
            "source": os.fspath(data_dir),
            "files": len(paths),
            "images": sum(sizes.values()),
            "splits": sizes,
            "shape": list(shape),
        },
    )

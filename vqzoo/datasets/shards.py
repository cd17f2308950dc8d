"""Shards: the files that a pattern names, and their records one by one."""

import collections
import contextlib
import dataclasses
import difflib
import importlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence

from vqzoo.datasets.bounds import BoundError

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
# Suffix to the module and class that reads it.
FORMATS = {
    **dict.fromkeys((".tar", ".tar.gz", ".tgz"), "shard_tars.Tar"),
    **dict.fromkeys((".parquet", ".pq"), "shard_parquet.Parquet"),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".tfrec"), "shard_examples.TFRecord"),
    **dict.fromkeys((".array_record", ".arrayrecord"), "shard_examples.ArrayRecord"),
}
_NAMED = 5  # files that an error names
_GAP = 2**16  # bytes; smaller gaps are read, not skipped
_MOST = 2**25  # bytes read at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of the parts of a record; empty for the usual names.

    Args:
        image: str, a column or feature; in a tar a suffix such as "jpg".
        key: str, the column of the keys. In a tar, file names are the keys.
        label: str, the column of the labels; in a tar a suffix, or a key of the .json.
    """

    image: str = ""
    key: str = ""
    label: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One image of a shard.

    Args:
        key: str, from the data, or made of shard and row.
        image: bytes of an image file; None if there is none, or it is longer than
            `bounds.BOUNDS` allows.
        label: str, empty if there is none.
        metadata: dict of the other parts of the record; a .json is a dict.
        place: two ints that locate the image in the shard, for a reader's `images`.
    """

    key: str
    image: bytes | None
    label: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)
    place: tuple[int, int] = (0, 0)


def expand(pattern: str | Sequence[str], flag: str = "data_dir") -> list[str]:
    """Paths of all shards that patterns name, in order; all exist.

    Args:
        pattern: paths, folders, globs (`train-*.tar`) and braces (`{0000..0099}`,
            `{a,b}`), with commas between several; local or of a file system that fsspec
            reads (`gs://`, `s3://`, `hf://`).
        flag: str, named in errors.

    Raises:
        FileNotFoundError: if nothing matches, or a shard is missing, which it names.
        ValueError: if a path occurs twice, is not a shard, or its file system needs a
            package.
    """
    patterns = [pattern] if isinstance(pattern, str | os.PathLike) else pattern
    names = [name for one in patterns for name in _braces(os.fspath(one))]
    listings, paths, missing = {}, [], []
    for name in filter(None, names):
        found = _paths(name, listings, flag)
        paths += found
        missing += [] if found else [name]
    if missing or not paths:
        some = ", ".join(missing[:_NAMED]) + ", ..." * (len(missing) > _NAMED)
        raise FileNotFoundError(
            f"expected all shards of --{flag}={pattern}, found {len(paths)}, missing "
            f"{len(missing)} of {len(names)}: {some}"
        )
    path, times = collections.Counter(paths).most_common(1)[0]
    if times > 1:
        raise ValueError(
            f"expected each shard once in --{flag}={pattern}, received {path} twice"
        )
    for path in paths:
        format_of(path, flag)
    return paths


def read(path: str, columns: Columns = Columns()) -> Iterator[Record]:  # noqa: B008
    """Records of a shard in file order, without all of it in memory.

    Args:
        path: as from `expand`.
        columns: names of their parts.

    Raises:
        ValueError: if the shard is cut short or broken, has no images, or lacks a
            column; it names those that exist.
    """
    records = open_shard(path, columns).records()
    first = next(records, None)
    if first is None:
        raise ValueError(f"expected images in the shard {path}, it is empty")
    yield first
    yield from records


def open_shard(path: str, columns: Columns = Columns()):  # noqa: B008
    """A reader of a shard.

    It has `records(images=True)`, an iterator of `Record` with or without images, and
    `images(places)`, a list of the bytes of the images at ascending places.
    """
    module, _, name = FORMATS[format_of(path)].partition(".")
    return getattr(importlib.import_module(f"vqzoo.datasets.{module}"), name)(
        path, columns
    )


def format_of(path: str, flag: str = "data_dir") -> str:
    """The suffix of `FORMATS` that a path has; ValueError if it has none."""
    for suffix in FORMATS:
        if path.lower().endswith(suffix):
            return suffix
    raise ValueError(
        f"expected --{flag} to name shards ({', '.join(FORMATS)}), received {path}"
    )


def stem(path: str) -> str:
    """The name of a shard without folder and suffix."""
    return os.path.basename(path)[: -len(format_of(path))]


def file_system(path: str, flag: str = "data_dir"):
    """The fsspec file system of a path, and the path in it; ValueError if it cannot."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(os.path.expanduser(path))
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"expected a file system that fsspec can open for --{flag}={path}: {error}"
        ) from error


def read_places(path: str, places: Sequence[tuple[int, int]]) -> list[bytes]:
    """Bytes at places of a file; close ones are read together.

    Args:
        path: as from `expand`.
        places: offset and size of each, ascending.

    Raises: ValueError: if the file is too short.
    """
    contents, group = [], []
    with sound(path):
        files, inner = file_system(path)
        for place in [*places, None]:
            if group and (place is None or _is_apart(group, place)):
                contents += _parts(files, inner, group)
                group = []
            group.append(place)
    return contents


@contextlib.contextmanager
def sound(path: str):
    """Turns errors of reading a broken file into a ValueError that names it."""
    try:
        yield
    except (FileNotFoundError, PermissionError, ImportError, BoundError):
        raise
    except Exception as error:
        # Each library fails in its own ways.
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"expected a sound shard, {path} is cut short or broken: {reason}"
        ) from error


def choose(
    wanted: str, known: Sequence[str], names: Sequence[str], flag: str, path: str
) -> str:
    """The wanted column, or a usual one; an empty string if there is neither.

    Raises: ValueError: if the wanted column does not exist, or no usual one of images
        does; it names those that exist.
    """
    if wanted in names:
        return wanted
    usual = [name for name in known if name in names]
    if not wanted and (usual or flag != "image_column"):
        return usual[0] if usual else ""
    close = difflib.get_close_matches(wanted, names, 1)
    raise ValueError(
        f"expected --{flag} to be one of the columns of {path}: {', '.join(names)}; "
        f"received {wanted!r}" + (f", which may be {close[0]}" if close else "")
    )


def _braces(pattern):
    """All names of a pattern with braces and commas, in order."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(pattern):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(pattern[start:place])
            start = place + 1
    parts.append(pattern[start:])
    if depth:
        raise ValueError(f"expected as many {{ as }} in a pattern, received {pattern}")
    if len(parts) > 1:
        return [name for part in parts for name in _braces(part.strip())]
    if not (match := re.search(r"\{([^{}]*)\}", pattern)):
        return [pattern]
    inner = match[1].split(",")
    if bounds := _RANGE.fullmatch(match[1]):
        first, last = map(int, bounds.groups())
        width = len(bounds[1]) if bounds[1].startswith("0") else 0
        inner = [f"{n:0{width}d}" for n in range(first, last + 1)]
        if not inner:
            raise ValueError(
                f"expected an ascending range in a pattern, received {match[0]}"
            )
    ends = pattern[: match.start()], pattern[match.end() :]
    return list(
        itertools.chain.from_iterable(_braces(each.join(ends)) for each in inner)
    )


def _paths(name, listings, flag):
    """The files that a name without braces matches."""
    files, inner = file_system(name, flag)
    if any(sign in name for sign in "*?["):
        found = files.glob(inner)
    else:
        folder = files._parent(inner)
        if (files.protocol, folder) not in listings:
            # One listing covers all shards of a folder.
            listings[files.protocol, folder] = _listing(files, folder)
        kind = listings[files.protocol, folder].get(inner.rstrip("/"))
        if kind == "file":
            return [name]
        if kind != "directory":
            return []
        listing = _listing(files, inner)
        found = [path for path, kind in listing.items() if kind == "file"]
        found = [path for path in found if path.lower().endswith(tuple(FORMATS))]
    is_local = "://" not in name
    return sorted(path if is_local else files.unstrip_protocol(path) for path in found)


def _listing(files, folder):
    try:
        entries = files.ls(folder, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {entry["name"].rstrip("/"): entry["type"] for entry in entries}


def _is_apart(group, place):
    end = sum(group[-1])
    return place[0] - end > _GAP or sum(place) - group[0][0] > _MOST


def _parts(files, inner, group):
    first, stop = group[0][0], sum(group[-1])
    block = files.cat_file(inner, start=first, end=stop)
    if len(block) < stop - first:
        raise EOFError(f"it ends before byte {stop:,}")
    return [block[offset - first : offset - first + size] for offset, size in group]

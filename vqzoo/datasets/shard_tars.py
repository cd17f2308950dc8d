"""Tar shards as WebDataset writes them: files with one stem form a record."""

import itertools
import json
import os
import tarfile
from collections.abc import Iterator, Sequence

from vqzoo.datasets.archives import Member
from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.images import SUFFIXES
from vqzoo.datasets.shards import (
    Columns,
    Record,
    choose,
    file_system,
    read_places,
    sound,
)

_LABELS = ("cls", "label", "class")
_END = bytes(tarfile.BLOCKSIZE)


class Tar:
    """A tar of records such as 0001.jpg, 0001.cls, 0001.json.

    Args:
        path: str.
        columns: `image` and `label` are suffixes; a label may be a key of the .json.
    """

    def __init__(self, path: str, columns: Columns) -> None:
        self.path, self.columns = path, columns

    def records(self, images: bool = True) -> Iterator[Record]:
        """Records in file order; images are read only with `images`."""
        kinds, found = {}, False
        members = self._members(images)
        for key, group in itertools.groupby(members, lambda member: member[0]):
            parts = {kind: (content, place) for _, kind, content, place in group}
            kinds.update(dict.fromkeys(parts))
            record = self._record(key, parts)
            found = found or any(record.place)
            yield record
        if kinds and not found:
            choose(self.columns.image, (), tuple(kinds), "image_column", self.path)

    def images(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of the image files at these places."""
        return read_places(self.path, places)

    def _members(self, images):
        """Name without suffix, suffix, content and place of each file."""
        files, inner = file_system(self.path)
        plain = self.path.lower().endswith(".tar")
        with (
            sound(self.path),
            files.open(inner, "rb") as file,
            tarfile.open(
                fileobj=file, mode="r:" if plain else "r|gz", tarinfo=Member
            ) as archive,
        ):
            stored = files.size(inner)
            while (member := archive.next()) is not None:
                archive.members.clear()  # It would keep all of them.
                end = member.offset_data + member.size
                BOUNDS.check_archive(end, stored, self.path)
                folder, name = os.path.split(member.name.removeprefix("./"))
                stem, dot, kind = name.partition(".")
                if not member.isreg() or not stem or not dot:
                    continue  # folders, links, hidden files and notes
                wanted = images or not f".{kind.lower()}".endswith(SUFFIXES)
                content = None
                if wanted and member.size <= BOUNDS.bytes:
                    content = _content(archive, file if plain else None, member)
                place = (member.offset_data, member.size)
                yield os.path.join(folder, stem), kind.lower(), content, place
            if plain:
                # A file without this block was cut short; `tarfile` does not notice.
                file.seek(archive.offset)
                if file.read(len(_END)) != _END:
                    raise tarfile.ReadError("it lacks the mark of its end")

    def _record(self, key, parts):
        image = self.columns.image.lower()
        if not image:
            kinds = [kind for kind in parts if f".{kind}".endswith(SUFFIXES)]
            image = kinds[0] if kinds else ""
        content, place = parts.pop(image, (None, (0, 0)))
        metadata = {kind: _value(kind, value) for kind, (value, _) in parts.items()}
        for name in filter(None, (self.columns.label, *_LABELS)):
            inner = metadata.get("json")
            label = metadata.get(name)
            if label is None and isinstance(inner, dict):
                label = inner.get(name)
            if label is not None:
                break
        label = "" if label is None else str(label).strip()
        return Record(
            key=key, image=content, label=label, metadata=metadata, place=place
        )


def _content(archive, file, member):
    """Bytes of a member; of an uncompressed tar without what `tarfile` lays around."""
    if file is None or member.issparse():
        return archive.extractfile(member).read()
    file.seek(member.offset_data)
    content = file.read(member.size)
    if len(content) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _value(kind, content):
    """Text as str, a .json parsed, everything else as bytes."""
    if content is None:
        return None
    last = kind.rpartition(".")[2]
    try:
        if last in ("json", "txt", "cls", "cls2", "caption", "text"):
            text = content.decode()
            return json.loads(text) if last == "json" else text
    except ValueError:
        pass
    return content

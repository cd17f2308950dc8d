"""Files of a directory or an archive, listed and read without unpacking anything.

Names in an archive only ever serve as names: nothing is written to the disk, so that an
archive cannot place files anywhere, and links and devices in it are passed over.
"""

import contextlib
import lzma
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
_STREAM_ERRORS = (EOFError, OSError, lzma.LZMAError, zlib.error)
_LARGEST_FILE = 2**28  # bytes; a longer member is taken for a decompression bomb


def list_files(path: str | os.PathLike[str]) -> list[str]:
    """Names of the regular files under a path, sorted, with `/` between folders.

    Hidden files, and what macOS adds to archives, are left out.

    Raises:
        FileNotFoundError: if there is no such directory or archive.
        ValueError: if the file is no archive, or a broken one.
    """
    return sorted({name for name, _ in _walk(path) if not _is_hidden(name)})


def read_files(
    path: str | os.PathLike[str], names: Collection[str]
) -> Iterator[tuple[str, bytes | None]]:
    """Read the named files in the order in which they are stored.

    Yields: name and content; the content is None if the file is longer than 256 MiB or
        cannot be read.
    """
    wanted = set(names)
    for name, read in _walk(path):
        if name in wanted:
            wanted.remove(name)
            with _broken_is_value_error(path):
                content = read()
            yield name, content


def _walk(path):
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        return _walk_directory(path)
    if not path.exists():
        raise FileNotFoundError(
            f"expected a directory or an archive of images, found nothing at {path}"
        )
    if not path.name.lower().endswith(ARCHIVE_SUFFIXES):
        raise ValueError(
            f"expected a directory or an archive ({', '.join(ARCHIVE_SUFFIXES)}), "
            f"received path={path}"
        )
    walk = _walk_zip if path.suffix.lower() == ".zip" else _walk_tar
    return _checked(walk(path), path)


def _checked(files, path):
    with _broken_is_value_error(path):
        yield from files


@contextlib.contextmanager
def _broken_is_value_error(path):
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, *_STREAM_ERRORS) as error:
        message = f"expected a sound archive, {path} is broken: {error}"
        raise ValueError(message) from error


def _walk_directory(path):
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = pathlib.Path(folder, name)
            if file.is_file():
                yield file.relative_to(path).as_posix(), _reader(file)


def _reader(file):
    def read():
        try:
            return file.read_bytes() if file.stat().st_size <= _LARGEST_FILE else None
        except OSError:
            return None

    return read


def _walk_tar(path):
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isreg():
                yield _clean(member.name), _tar_reader(archive, member)


def _tar_reader(archive, member):
    def read():
        if member.size > _LARGEST_FILE:
            return None
        return archive.extractfile(member).read()

    return read


def _walk_zip(path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield _clean(member.filename), _zip_reader(archive, member)


def _zip_reader(archive, member):
    def read():
        if member.file_size > _LARGEST_FILE:
            return None
        try:
            return archive.read(member)
        except (zipfile.BadZipFile, RuntimeError, *_STREAM_ERRORS):
            return None  # a damaged, unsupported or encrypted member

    return read


def _clean(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))

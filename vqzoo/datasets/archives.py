"""Files of a directory or an archive, listed and read without unpacking anything.

Names in an archive only ever serve as names: nothing is written to the disk, so that an
archive cannot place files anywhere, and links and devices in it are passed over.
"""

import contextlib
import os
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator

from vqzoo.datasets.bounds import BOUNDS, BoundError

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
# Bytes of what says the name of a member, and of what else a tar says of it.
_LONGEST_NAME, _LONGEST_HEADER = 2**16, 2**20
_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def list_files(
    path: str | os.PathLike[str],
    leave_out: Callable[[str, str], None] = lambda reason, name: None,
) -> list[str]:
    """Names of the regular files under a path, sorted, with `/` between folders.

    Hidden files, and what macOS adds to archives, are left out. Links to folders are
    followed within a directory.

    Args:
        path: directory or archive.
        leave_out: is told the reason and the name of a link to a folder elsewhere, and
            of a member of an archive that is a link or whose name leads out of it.

    Raises:
        FileNotFoundError: if there is no such directory or archive.
        ValueError: if the file is no archive, a broken one, or one that would unpack to
            more than `bounds.BOUNDS`.
    """
    return sorted({name for name, _ in _walk(path, leave_out) if not _is_hidden(name)})


def read_files(
    path: str | os.PathLike[str], names: Collection[str]
) -> Iterator[tuple[str, bytes | None]]:
    """Read the named files in the order in which they are stored.

    Yields: name and content; the content is None if the file is longer than
        `bounds.BOUNDS` or cannot be read.
    """
    wanted = set(names)
    for name, read in _walk(path):
        if name in wanted:
            wanted.remove(name)
            with _broken_is_value_error(path):
                content = read()
            yield name, content


def _walk(path, leave_out=lambda reason, name: None):
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        return _walk_directory(path, leave_out)
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
    return _checked(walk(path, leave_out), path)


def _checked(files, path):
    with _broken_is_value_error(path):
        yield from files


@contextlib.contextmanager
def _broken_is_value_error(path):
    try:
        yield
    except BoundError:
        raise
    except Exception as error:
        # Broken archives fail in tarfile, zipfile and their streams, each in its ways.
        message = f"expected a sound archive, {path} is broken: {error}"
        raise ValueError(message) from error


def _walk_directory(path, leave_out):
    for folder, folders, names in os.walk(path, followlinks=True):
        for name in sorted(folders):
            link = pathlib.Path(folder, name)
            if link.is_symlink() and (reason := _not_followed(link, path)):
                leave_out(reason, link.relative_to(path).as_posix())
                folders.remove(name)
        folders.sort()
        for name in sorted(names):
            file = pathlib.Path(folder, name)
            if file.is_file():
                yield file.relative_to(path).as_posix(), _reader(file)


def _not_followed(link, root):
    """Why a link to a folder is passed over, or None."""
    target = link.resolve()
    if not target.is_relative_to(root.resolve()):
        return "links to folders elsewhere"
    # Of each folder on the way, as it may have been reached by a link itself.
    above = [link.parent, *link.parent.parents][: len(link.relative_to(root).parts)]
    if target in [folder.resolve() for folder in above]:
        return "links to folders around them"
    return None


def _reader(file):
    def read():
        try:
            return file.read_bytes() if file.stat().st_size <= BOUNDS.bytes else None
        except OSError:
            return None

    return read


class Member(tarfile.TarInfo):
    """A member whose name and header are of a size that names and headers have."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        for types, most in ((_NAMES, _LONGEST_NAME), (_HEADERS, _LONGEST_HEADER)):
            if member.type in types and member.size > most:
                raise BoundError(f"at most {most:,} bytes of a header", member.size)
        return member


def _walk_tar(path, leave_out):
    stored = path.stat().st_size
    with tarfile.open(path, tarinfo=Member) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # It keeps all of them, however many.
            BOUNDS.check_archive(member.offset_data + member.size, stored, path.name)
            if member.isreg() and (name := _inner(member.name, leave_out)):
                yield name, _tar_reader(archive, member)
            elif member.issym() or member.islnk():
                leave_out("links in the archive", member.name)


def _tar_reader(archive, member):
    def read():
        if member.size > BOUNDS.bytes:
            return None
        return archive.extractfile(member).read()

    return read


def _walk_zip(path, leave_out):
    stored = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        unpacked = sum(member.file_size for member in members)
        BOUNDS.check_archive(unpacked, stored, path.name)
        for member in members:
            if name := _inner(member.filename, leave_out):
                yield name, _zip_reader(archive, member)


def _zip_reader(archive, member):
    def read():
        if member.file_size > BOUNDS.bytes:
            return None
        try:
            return archive.read(member)
        except Exception:
            return None  # a damaged, unsupported or encrypted member

    return read


def _inner(name, leave_out):
    """The name of a member, or None if it is absolute or leads out of the archive."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        leave_out("members whose names lead out of the archive", name)
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))

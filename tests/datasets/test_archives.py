import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest

from vqzoo.datasets import archives
from vqzoo.datasets.bounds import BOUNDS

_FILES = {"a/1.txt": b"one", "a/b/2.txt": b"two", "3.txt": b""}


def _pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    kind = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2", ".tar": "w"}[path.suffix]
    with tarfile.open(path, kind) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"])
def test_archives_give_the_names_and_bytes_of_their_files(tmp_path, suffix):
    path = _pack(tmp_path / f"packed{suffix}", _FILES)
    assert archives.list_files(path) == sorted(_FILES)
    assert dict(archives.read_files(path, list(_FILES))) == _FILES


def test_a_directory_gives_the_names_and_bytes_of_its_files(tmp_path):
    for name, data in _FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert archives.list_files(tmp_path) == sorted(_FILES)
    assert dict(archives.read_files(tmp_path, ["a/1.txt"])) == {"a/1.txt": b"one"}


def test_hidden_files_are_left_out(tmp_path):
    files = {"x/1": b"", "x/.DS_Store": b"", "__MACOSX/x/1": b"", "x/._1": b""}
    assert archives.list_files(_pack(tmp_path / "packed.tar", files)) == ["x/1"]


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_names_that_climb_out_of_the_archive_lead_nowhere(tmp_path, suffix):
    files = {"../../evil.png": b"1", "/etc/evil.png": b"2", "a\\..\\b.png": b"3"}
    files |= {"C:\\b.png": b"4", "./a/good.png": b"5"}
    path = _pack(tmp_path / f"packed{suffix}", files)
    left_out = []
    names = archives.list_files(path, lambda reason, name: left_out.append(name))
    assert names == ["a/good.png"]
    assert left_out == ["../../evil.png", "/etc/evil.png", "a\\..\\b.png", "C:\\b.png"]
    assert not dict(archives.read_files(path, ["evil.png", "etc/evil.png", "a/b.png"]))
    assert os.listdir(tmp_path) == [path.name]


def test_links_in_a_tar_are_passed_over(tmp_path):
    path = tmp_path / "packed.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo("passwords.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert archives.list_files(path) == []


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_overlong_members_are_not_read(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(BOUNDS, "bytes", 2)
    path = _pack(tmp_path / f"packed{suffix}", _FILES)
    contents = dict(archives.read_files(path, list(_FILES)))
    assert contents == {"a/1.txt": None, "a/b/2.txt": None, "3.txt": b""}


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="found nothing at .*nowhere"):
        archives.list_files(tmp_path / "nowhere")


def test_a_file_that_is_no_archive_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ValueError, match="expected a directory or an archive"):
        archives.list_files(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["packed.tar", "packed.tar.gz", "packed.zip"])
def test_a_broken_archive_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(ValueError, match=f"{name} is broken"):
        archives.list_files(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz"])
def test_a_truncated_archive_is_an_error(tmp_path, suffix):
    path = _pack(tmp_path / f"packed{suffix}", {"a": os.urandom(100_000)})
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ValueError, match="is broken"):
        dict(archives.read_files(path, archives.list_files(path)))


def test_a_damaged_stream_is_an_error(tmp_path):
    content = np.random.default_rng(0).bytes(50_000).hex().encode()
    path = _pack(tmp_path / "packed.tar.xz", {"a": content})
    data = bytearray(path.read_bytes())
    data[20_000:20_100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is broken"):
        dict(archives.read_files(path, ["a"]))


def test_a_damaged_member_of_a_zip_is_not_read(tmp_path):
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"one" * 1000)
        archive.writestr("b", b"two")
    data = bytearray(path.read_bytes())
    data[35:45] = bytes(10)
    path.write_bytes(data)
    assert dict(archives.read_files(path, ["a", "b"])) == {"a": None, "b": b"two"}


def _claiming(path, kind, size, format):
    """A tar.gz whose first header claims so many bytes of a name or of a header."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, size
    with gzip.open(path, "wb", 1) as file:
        file.write(member.tobuf(format))
        for _ in range(64):
            file.write(bytes(2**20))
    return path


@pytest.mark.parametrize("size", [2**21, 2**26, 2**32])
@pytest.mark.parametrize(
    "kind", [b"L", b"K", b"x", b"g", b"X"], ids=["name", "link", "pax", "global", "sun"]
)
def test_a_tar_that_claims_a_long_header_is_refused_before_it_is_read(
    kind, size, tmp_path
):
    path = _claiming(tmp_path / "packed.tar.gz", kind, size, tarfile.GNU_FORMAT)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"bytes of a header, received {size:,}"):
        archives.list_files(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_that_is_long_but_not_too_long_is_read(format, tmp_path):
    name = "/".join(["folder" * 10] * 50) + "/ä.png"
    with tarfile.open(tmp_path / "packed.tar", "w", format=format) as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert archives.list_files(tmp_path / "packed.tar") == [name]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_that_unpacks_to_far_more_than_it_stores_is_refused_at_once(
    suffix, tmp_path, monkeypatch
):
    files = {f"{number}.png": bytes(10**5) for number in range(9)}
    path = tmp_path / f"packed{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        _pack(path, files)
    assert archives.list_files(path) == sorted(files)
    monkeypatch.setattr(BOUNDS, "bytes", 10**5)
    text = "bytes unpacked from packed.*, received .*--max_bytes raises the bound"
    with pytest.raises(ValueError, match=text):
        archives.list_files(path)


def test_a_zip_of_a_version_that_does_not_exist_is_broken(tmp_path):
    path = _pack(tmp_path / "packed.zip", _FILES)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\1\2") + 6] = 255
    path.write_bytes(data)
    with pytest.raises(ValueError, match="packed.zip is broken: .*version 25.5"):
        archives.list_files(path)


def test_headers_that_never_end_are_broken(tmp_path):
    member = tarfile.TarInfo("x")
    member.type = tarfile.GNUTYPE_LONGNAME
    (tmp_path / "packed.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) * 5000)
    with pytest.raises(ValueError, match="packed.tar is broken"):
        archives.list_files(tmp_path / "packed.tar")

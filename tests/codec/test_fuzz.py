"""Altered, truncated and foreign files: an error each, fast, and nothing else."""

import io
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from vqzoo import decompress
from vqzoo.codec import CodecError, command

HEADER = 24  # bytes in which most of what can be altered stands


def sealed(data):
    """A file whose sum is right, as an attacker would make it."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def foreign(generator):
    """Bytes of other kinds of file, and of none."""
    kind = generator.integers(4)
    if kind == 0:
        return generator.bytes(generator.integers(0, 200))
    if kind == 1:
        return b"\x93VQZ\x01" + generator.bytes(generator.integers(0, 200))
    pixels = generator.integers(0, 256, (8, 8, 3)).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, ("PNG", "JPEG")[kind - 2])
    return buffer.getvalue()


def altered(generator, data, others):
    """A file with some of its bytes changed, moved, left out or added."""
    data, kind = bytearray(data), generator.integers(5)
    where = int(generator.integers(HEADER if generator.random() < 0.5 else len(data)))
    if kind == 0:
        return bytes(data[:where])
    if kind == 1:
        for place in {where, *generator.integers(0, len(data), 2).tolist()}:
            data[place] ^= 1 << int(generator.integers(8))
    elif kind == 2:
        data[where:where] = generator.bytes(generator.integers(1, 9))
    elif kind == 3:
        count = int(generator.integers(1, 9))
        data[where : where + count] = b"\xff" * count
    else:
        other = others[generator.integers(len(others))]
        data = data[:where] + other[where:]
    return bytes(data)


def inputs(files, count, seed):
    """Files that no codec wrote; of every other one that was altered the sum is right.

    Whoever writes a file on purpose gets the sum right, so that these reach what lies
    behind it.
    """
    generator = np.random.default_rng(seed)
    known = [data for of_mode in files.values() for data in of_mode]
    for index in range(count):
        if index % 5 == 0:
            yield foreign(generator)
            continue
        data = altered(generator, known[generator.integers(len(known))], known)
        yield sealed(data) if index % 2 and len(data) > 4 else data


def run(codec, files, count):
    """Decompresses inputs one by one; gives how many were refused and accepted."""
    known = {data for of_mode in files.values() for data in of_mode}
    codec.decompress([of_mode[0] for of_mode in files.values()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts, slowest = {"refused": 0, "accepted": 0}, 0.0
    for data in inputs(files, count, seed=count):
        began = time.process_time()
        (found,) = codec.decompress([data])
        slowest = max(slowest, time.process_time() - began)
        if isinstance(found, CodecError):
            assert 20 < len(str(found)) < 300
            counts["refused"] += 1
        else:
            counts["accepted"] += data not in known
            assert found.dtype == np.uint8 and found.size < 2**22
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert slowest < 2
    assert grown < 200_000  # KiB
    return counts


def test_hundreds_of_inputs_are_refused_or_decoded(codec, files):
    counts = run(codec, files, 400)
    assert counts["refused"] > 350


@pytest.mark.fuzz
def test_ten_thousand_inputs_are_refused_or_decoded(codec, files):
    counts = run(codec, files, 10_000)
    assert counts["refused"] > 9000


def test_a_folder_of_such_files_writes_nowhere_else(
    codec, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command, "load", lambda folder, counts: codec)
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for index, data in enumerate(inputs(files, 100, seed=1)):
        (source / f"{index:03}.png.vqz").write_bytes(data)
    before = {path: path.read_bytes() for path in source.iterdir()}
    (target / "old").mkdir(parents=True)
    arguments = [str(source), str(target), "--model=m"]
    assert decompress.main(["decompress", *arguments]) in (0, 1)
    assert "skipped" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in source.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    for path in target.iterdir():
        assert path.name == "old" or path.suffix == ".png"

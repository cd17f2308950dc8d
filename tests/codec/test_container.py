import dataclasses
import struct
import zlib

import pytest

from vqzoo.codec import CodecError, container
from vqzoo.codec.container import Container, pack, unpack

PLAIN = Container(
    mode="raw", model=b"modelX", width=3, height=300, checksum=7, payload=b"codes"
)
FULL = Container(
    mode="prior",
    model=b"modelX",
    priors=b"pqr",
    width=65535,
    height=1,
    tiers=(0, 2),
    label=200,
    corrections=((5, 1), (5, 0), (1000, 1)),
    checksum=2**32 - 1,
    payload=b"",
)


def sealed(data):
    """Data with the sum of what it holds."""
    return data + struct.pack("<I", zlib.crc32(data))


@pytest.mark.parametrize("file", [PLAIN, FULL], ids=["plain", "full"])
def test_what_is_packed_comes_back(file):
    assert unpack(pack(file)) == file


def test_the_bytes_are_those_of_version_1():
    expected = b"\x93VQZ" + b"\x01" + b"\x00" + b"modelX" + b"\x03" + b"\xac\x02"
    expected += b"\x07\0\0\0" + b"codes"
    assert pack(PLAIN) == sealed(expected)
    # Flags: prior, label, corrections, tiers; 5 + 1, 0 + 0, 995 * 2 + 1.
    expected = b"\x93VQZ" + b"\x01" + b"\x1e" + b"modelX" + b"pqr"
    expected += b"\xff\xff\x03" + b"\x01" + b"\x05" + b"\xc8\x01"
    expected += b"\x03" + b"\x0b" + b"\x00" + b"\xc7\x0f" + b"\xff\xff\xff\xff"
    assert pack(FULL) == sealed(expected)


@pytest.mark.parametrize("file", [PLAIN, FULL], ids=["plain", "full"])
def test_no_part_of_a_file_and_no_flipped_bit_is_taken_for_a_file(file):
    data = pack(file)
    for length in range(len(data)):
        with pytest.raises(CodecError):
            unpack(data[:length])
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodecError):
            unpack(bytes(flipped))


HEAD = b"\x93VQZ\x01"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a .vqz file, received one that begins with $"),
        (b"\x89PNG\r\n", "begins with 89 50 4e 47"),
        (HEAD, "at least 22 bytes, received 5: the file is truncated"),
        (sealed(b"\x93VQZ\x02" + bytes(20)), "version 1, received version=2"),
        (pack(PLAIN)[:-5] + pack(PLAIN)[-4:], "truncated or altered"),
        (sealed(HEAD + b"\x03" + bytes(30)), "flags of version 1, received 0x03"),
        (sealed(HEAD + b"\x20" + bytes(30)), "flags of version 1, received 0x20"),
        (sealed(HEAD + b"\x00modelX" + b"\xff" * 8), "numbers below"),
        (sealed(HEAD + b"\x00modelX\x00\x01" + bytes(8)), "received 0 x 1"),
        (sealed(HEAD + b"\x08modelX\x01\x01" + b"\x7f" * 30), "cut off"),
        (
            sealed(HEAD + b"\x00modelX\xff\xff\x03\xff\xff\x03" + bytes(8)),
            "received 65535 x 65535",
        ),
    ],
)
def test_what_is_no_file_is_refused_with_a_reason(data, message):
    with pytest.raises(CodecError, match=message):
        unpack(data)


def test_a_file_that_is_longer_than_any_is_refused(monkeypatch):
    data = pack(PLAIN)
    monkeypatch.setattr(container, "MAX_FILE_BYTES", len(data) - 1)
    with pytest.raises(CodecError, match=f"received {len(data)}"):
        unpack(data)


def test_a_header_costs_little():
    file = dataclasses.replace(FULL, width=32, height=32, tiers=None, corrections=())
    assert len(pack(dataclasses.replace(file, label=9))) == 26


def test_more_corrections_than_any_image_needs_are_refused():
    many = dataclasses.replace(PLAIN, corrections=((0, 0),) * 2**16)
    assert len(unpack(pack(many)).corrections) == 2**16
    more = dataclasses.replace(PLAIN, corrections=((0, 0),) * (2**16 + 1))
    with pytest.raises(CodecError, match="at most 65,536 corrections, received 65,537"):
        unpack(pack(more))

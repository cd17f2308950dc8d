"""The container of a `.vqz` file: what it holds, and what is refused.

    4 bytes   magic, 93 56 51 5A
    1 byte    version, 1
    1 byte    flags: mode (2 bits), then whether there is a label, are corrections, and
              are not all tiers; the rest is 0
    6 bytes   the model, the head of its fingerprint
    3 bytes   the priors, the same; in the mode "prior" alone
    numbers   width, height; tiers as a mask, label, corrections, where flagged
    4 bytes   CRC-32 of the codes, int32 little-endian, top first
    ...       the codes
    4 bytes   CRC-32 of all before

Numbers are little-endian in groups of seven bits, as in protocol buffers. Corrections
are their number and for each the distance to the one before, doubled, plus its bit.
Nothing is allocated by what a file says before the sum is right and sizes are within
their limits.
"""

import dataclasses
import struct
import zlib

MAGIC = b"\x93VQZ"
VERSION = 1
MODES = ("raw", "unigram", "prior")
MODEL_BYTES, PRIORS_BYTES = 6, 3
MAX_SIDE, MAX_PIXELS = 2**16 - 1, 2**26
MAX_FILE_BYTES = 2**28
MAX_CORRECTIONS = 2**16  # the largest image needs some hundred
_LABEL, _CORRECTIONS, _TIERS = 4, 8, 16
_ALL_FLAGS = 31
_SHORTEST = len(MAGIC) + 2 + MODEL_BYTES + 2 + 8


class CodecError(ValueError):
    """A file, an image or an artifact that the codec cannot take, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Container:
    """What a `.vqz` file holds.

    Args:
        mode: str, one of `MODES`.
        model: bytes, the head of the model's fingerprint.
        priors: bytes, the head of the priors' fingerprint; empty in other modes.
        width: int, pixels.
        height: int, pixels.
        tiers: tuple of int, those whose codes there are; None for all.
        label: int or None.
        corrections: tuple of `(position, bit)`, positions rising.
        checksum: int, CRC-32 of the codes.
        payload: bytes, the codes.
    """

    mode: str
    model: bytes
    priors: bytes = b""
    width: int
    height: int
    tiers: tuple[int, ...] | None = None
    label: int | None = None
    corrections: tuple[tuple[int, int], ...] = ()
    checksum: int
    payload: bytes


def check_size(width, height):
    """Raises CodecError unless an image has a size that a file may have."""
    sides = 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE
    if not sides or width * height > MAX_PIXELS:
        raise CodecError(
            f"expected an image of at most {MAX_SIDE} pixels a side and {MAX_PIXELS:,} "
            f"in all, received {width} x {height}"
        )


def pack(container):
    """The bytes of a file."""
    flags = MODES.index(container.mode)
    numbers = [container.width, container.height]
    if container.tiers is not None:
        flags |= _TIERS
        numbers.append(sum(1 << tier for tier in container.tiers))
    if container.label is not None:
        flags |= _LABEL
        numbers.append(container.label)
    if container.corrections:
        flags |= _CORRECTIONS
        numbers.append(len(container.corrections))
        before = 0
        for position, bit in container.corrections:
            numbers.append(2 * (position - before) + bit)
            before = position
    head = MAGIC + bytes([VERSION, flags]) + container.model + container.priors
    body = head + b"".join(map(_number, numbers))
    body += struct.pack("<I", container.checksum) + container.payload
    return body + struct.pack("<I", zlib.crc32(body))


def _number(value):
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def unpack(data):
    """What `pack` packed.

    Args:
        data: bytes.

    Returns:
        `Container`.

    Raises:
        CodecError: if the bytes are no file of this version, are not whole, or hold
            what no file may.
    """
    _check_frame(data)
    fields = _Fields(data[:-4], len(MAGIC) + 1)
    flags = fields.take(1)[0]
    if flags > _ALL_FLAGS or flags & 3 >= len(MODES):
        raise CodecError(f"expected flags of version {VERSION}, received {flags:#04x}")
    mode = MODES[flags & 3]
    model = fields.take(MODEL_BYTES)
    priors = fields.take(PRIORS_BYTES) if mode == "prior" else b""
    width, height = fields.number(), fields.number()
    check_size(width, height)
    tiers = fields.mask() if flags & _TIERS else None
    label = fields.number() if flags & _LABEL else None
    corrections = fields.corrections() if flags & _CORRECTIONS else ()
    (checksum,) = struct.unpack("<I", fields.take(4))
    return Container(
        mode=mode,
        model=model,
        priors=priors,
        width=width,
        height=height,
        tiers=tiers,
        label=label,
        corrections=corrections,
        checksum=checksum,
        payload=fields.rest(),
    )


def _check_frame(data):
    """Magic, version, length and sum: whether it is a whole file of this kind."""
    if data[: len(MAGIC)] != MAGIC:
        start = data[: len(MAGIC)].hex(" ")
        raise CodecError(f"expected a .vqz file, received one that begins with {start}")
    if len(data) > MAX_FILE_BYTES:
        raise CodecError(
            f"expected at most {MAX_FILE_BYTES:,} bytes, received {len(data):,}"
        )
    if len(data) < _SHORTEST:
        raise CodecError(
            f"expected at least {_SHORTEST} bytes, received {len(data)}: the file is "
            "truncated"
        )
    version = data[len(MAGIC)]
    if version != VERSION:
        raise CodecError(
            f"expected a .vqz file of version {VERSION}, received version={version}"
        )
    (expected,) = struct.unpack("<I", data[-4:])
    checksum = zlib.crc32(data[:-4])
    if checksum != expected:
        raise CodecError(
            f"expected the checksum {expected:08x}, received {checksum:08x}: the file "
            "is truncated or altered"
        )


class _Fields:
    """Takes the fields of a file one after another, and never reads past its end."""

    def __init__(self, data, start):
        self._data, self._at = data, start

    def take(self, count):
        if self._at + count > len(self._data):
            raise CodecError("expected a whole header, received one that is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self):
        return self._data[self._at :]

    def number(self):
        value = 0
        for shift in range(0, 35, 7):
            (group,) = self.take(1)
            value |= (group & 127) << shift
            if group < 128:
                return value
        raise CodecError("expected numbers below 2**35, received a longer one")

    def mask(self):
        mask = self.number()
        return tuple(tier for tier in range(mask.bit_length()) if mask >> tier & 1)

    def corrections(self):
        corrections, position, count = [], 0, self.number()
        if count > MAX_CORRECTIONS:
            raise CodecError(
                f"expected at most {MAX_CORRECTIONS:,} corrections, received {count:,}"
            )
        for _ in range(count):
            distance, bit = divmod(self.number(), 2)
            position += distance
            corrections.append((position, bit))
        return tuple(corrections)

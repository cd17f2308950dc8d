"""Pictures of several sizes, and files that Pillow does not write."""

import struct
import zlib

import numpy as np

SIZES = ((16, 16), (1, 1), (37, 50), (16, 16), (64, 9))


def smooth_pictures():
    """Smooth images of several sizes, uint8."""
    generator = np.random.default_rng(0)
    found = []
    for height, width in SIZES:
        rows, columns = np.indices((height, width))[..., None]
        slope = generator.uniform(-6, 6, (2, 3))
        ramp = 128 + slope[0] * (rows - height / 2) + slope[1] * (columns - width / 2)
        noise = generator.normal(0, 8, (height, width, 3))
        found.append(np.clip(ramp + noise, 0, 255).astype("uint8"))
    return found


def png_of_any_kind(width, height, depth, color, rows):
    """A PNG of given pixels, also of kinds that Pillow does not write."""

    def chunk(name, content):
        whole = name + content
        return (
            struct.pack(">I", len(content))
            + whole
            + struct.pack(">I", zlib.crc32(whole))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )

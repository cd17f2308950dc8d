import sys

import pytest
from PIL import Image

from vqzoo.datasets import pixels
from vqzoo.datasets.images import (
    FORMATS,
    LargeImageError,
    UnreadableImageError,
    open_image,
)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_named_formats_are_opened(kind, make_pixels, encode):
    with open_image(encode(make_pixels(1, 20, 24), kind)) as image:
        assert (image.size, image.format) == ((24, 20), kind)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("kind", ["EPS", "PSD", "BLP", "DDS", "ICO", "PCX", "SGI"])
def test_no_other_format_is_opened(kind, encode):
    if kind in ("EPS", "PSD"):
        data = POSTSCRIPT if kind == "EPS" else b"8BPS\0\1" + bytes(20)
    else:
        image = Image.new("P" if kind == "BLP" else "RGB", (16, 16))
        data = encode(image, kind)
    started = []
    sys.addaudithook(
        lambda event, _: started.append(event) if event == "subprocess.Popen" else None
    )
    with pytest.raises(UnreadableImageError, match="cannot identify it as one of AVIF"):
        pixels.decode(data)
    assert not started


def test_whatever_a_decoder_throws_is_one_error(make_pixels, encode):
    with pytest.raises(UnreadableImageError, match="KeyError: 'huffman'"):
        with open_image(encode(make_pixels(1))):
            raise KeyError("huffman")
    damaged = bytearray(encode(make_pixels(1, 32, 32), "AVIF"))
    errors = set()
    for place in range(0, len(damaged), 9):
        changed = damaged.copy()
        changed[place] ^= 0xFF
        try:
            pixels.decode(bytes(changed))
        except UnreadableImageError as error:
            errors.add(type(error.__cause__).__name__)
    assert {"RuntimeError", "UnidentifiedImageError"} <= errors


def test_more_pixels_than_allowed_are_not_decoded(make_pixels, encode):
    data = encode(make_pixels(1, 10, 10))
    with open_image(data, max_pixels=100) as image:
        assert image.getpixel((0, 0))
    with pytest.raises(LargeImageError, match="more than 99 pixels: 10 x 10"):
        with open_image(data, max_pixels=99):
            pass

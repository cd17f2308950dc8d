"""From the bytes of an image file to its values: the one reading for all who read."""

from collections.abc import Sequence

import numpy as np

from vqzoo.datasets import tiff
from vqzoo.datasets.images import (
    ALPHA_BAND,
    ANIMATED,
    ON_WHITE,
    PAGES,
    LargeImageError,
    Picture,
    UnreadableImageError,
    check_pages,
    check_size,
    deep_picture,
    one_at_a_time,
    open_image,
    strips,
)

_GRAY_MODES = ("1", "L", "LA", "La")
_ORIENTATION, _PHOTOMETRIC = 274, 262  # tags


def read(
    data: bytes,
    frames: str = "",
    formats: Sequence[str] | None = None,
    max_pixels: int | None = None,
) -> list[Picture]:
    """All images of a file that are taken; the one reading, whoever asks.

    The rotation in EXIF is applied, transparency is laid on white, and palettes, CMYK
    and other colors become RGB. Color profiles are not applied: values are taken as
    they are stored.

    Args:
        data: bytes of the file.
        frames: of an animation or of pages, "first", "all", each an image, or "bands",
            one image whose bands they are, and so is what is tagged as alpha in a TIFF.
            Defaults to the first, unless the pages of a TIFF look like the rows of one
            image.
        formats: as in `open_image`.
        max_pixels: as in `open_image`.

    Raises: UnreadableImageError: as in `open_image`, and if values are not finite, or
        pages can be read in two ways.
    """
    try:
        with open_image(data, formats, max_pixels) as image:
            if image.format != "TIFF" or tiff.is_plain(image, frames):
                with one_at_a_time(image.width * image.height):
                    return _all_frames(image, data, frames, max_pixels)
    except LargeImageError:
        raise
    except UnreadableImageError:
        if not data.startswith(tiff.MAGIC) or (formats and "TIFF" not in formats):
            raise
    return tiff.read(data, frames, max_pixels)


def _all_frames(image, data, frames, max_pixels):
    # A photograph that carries a preview is not animated.
    count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if count > 1 and frames == "bands":
        raise UnreadableImageError(
            "is animated, and only pages of a TIFF are bands: --frames=first, all"
        )
    if count > 1 and image.format == "TIFF":
        check_pages(count, image.height, image.width, frames)
    several = PAGES if image.format == "TIFF" else ANIMATED
    notes = () if count == 1 or frames == "all" else (several,)
    pictures = []
    for number in range(count if frames == "all" else 1):
        if count > 1:
            image.seek(number)
            check_size(image.width, image.height, max_pixels)
        pictures.append(_picture(image, data, notes))
    return pictures


def _picture(image, data, notes):
    from PIL import ImageOps

    notes = list(notes)
    deep = _deep_color(image, data)  # before the pixels are decoded
    turned = image.getexif().get(_ORIENTATION, 1)
    is_turned = turned in range(2, 9)
    if is_turned:
        notes.append("it was turned as EXIF says")
    profile = image.info.get("icc_profile")
    if profile and b"sRGB" not in profile:
        notes.append("its color profile is not applied")
    if deep is None and image.mode[0] not in "IF":
        # What it does not turn it copies.
        upright = ImageOps.exif_transpose(image) if is_turned else image
        pixels, more = _eight_bits(upright)
        if image.format == "TIFF":
            more = [ALPHA_BAND if note == ON_WHITE else note for note in more]
        return Picture(pixels, notes=(*notes, *more))
    if deep is None:
        values, bits, alpha = np.asarray(image)[..., None], 0, None
        values = values.astype(values.dtype.newbyteorder("="))
        if isinstance(image.info.get("transparency"), int):
            alpha = (values != image.info["transparency"]).astype(np.float32)
        inverted = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0
    else:
        (values, alpha, bits), inverted = deep, False
    return deep_picture(values, alpha, turned, bits, inverted, notes)


def _eight_bits(image):
    """Uint8 pixels of 1 or 3 channels, and notes."""
    rows = strips(image.height, image.width)
    if len(rows) == 1:
        return _eight_bits_of_strip(image)
    pixels, notes = None, {}
    for part in rows:
        strip = image.crop((0, part.start, image.width, part.stop))
        converted, more = _eight_bits_of_strip(strip)
        if pixels is None:
            shape = (image.height, image.width, converted.shape[-1])
            pixels = np.empty(shape, np.uint8)
        pixels[part] = converted
        notes |= dict.fromkeys(more)
    return pixels, list(notes)


def _eight_bits_of_strip(image):
    from PIL import Image

    notes = []
    if image.mode not in (*_GRAY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"):
        notes.append(f"{image.mode} became RGB")
    gray = image.mode in _GRAY_MODES
    if image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        if image.getextrema()[3][0] < 255:
            notes.append(ON_WHITE)
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return pixels[..., :1] if gray else pixels, notes


def _deep_color(image, data):
    """Values, alpha or None, and bits of what Pillow would cut to 8 bits; else None."""
    if image.format == "PNG" and any(";16B" in str(tile) for tile in image.tile):
        if image.mode[0] == "I":
            return None
        import tensorflow as tf

        # Pillow keeps the upper 8 bits of each color alone.
        values = tf.io.decode_png(data, channels=4, dtype=tf.uint16).numpy()
        alpha = values[..., 3:] / np.float32(65535)
        gray = any("LA;16B" in str(tile) for tile in image.tile)
        return values[..., : 1 if gray else 3], alpha, 0
    if image.format == "PPM" and image.mode == "RGB":
        (decoder, _, offset, arguments) = image.tile[0][:4]
        most = arguments[-1] if isinstance(arguments, tuple) else 255
        if decoder == "ppm" and most > 255:
            size = image.height * image.width * 3
            values = np.frombuffer(data, ">u2", size, offset).astype(np.uint16)
            bits = int(most).bit_length() % 16
            return values.reshape(image.height, image.width, 3), None, bits
    return None

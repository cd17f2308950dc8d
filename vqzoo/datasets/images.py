"""The one place where an image file is opened: the named formats, and one error."""

import contextlib
import functools
import io
from collections.abc import Iterator, Sequence

# Formats whose decoders are libraries, by Pillow's names. Of what else Pillow opens,
# some start programs (PostScript) and some are rarely tested.
FORMATS = tuple("AVIF BMP GIF JPEG JPEG2000 PNG PPM TGA TIFF WEBP".split())
SUFFIXES = tuple(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .jp2 "
    ".tga .avif".split()
)


class UnreadableImageError(ValueError):
    """The bytes of one file are no image that can be decoded."""


class LargeImageError(UnreadableImageError):
    """The head of a file claims more pixels than are allowed; they are not decoded."""

    def __init__(self, claimed: str, allowed: int) -> None:
        super().__init__(f"has more than {allowed:,} pixels: {claimed}")
        self.claimed = claimed


@contextlib.contextmanager
def open_image(
    data: bytes,
    formats: Sequence[str] | None = None,
    max_pixels: int | None = None,
) -> Iterator:
    """Open the bytes of an image file: a `PIL.Image`, which decodes when it is used.

    Args:
        data: bytes.
        formats: some of `FORMATS`, the only ones that are tried. Defaults to all.
        max_pixels: int, the most that its head may claim. Defaults to Pillow's limit.

    Raises:
        LargeImageError: if it claims more pixels.
        UnreadableImageError: if it is of no such format, or fails to decode within the
            context, whatever its decoder throws.
    """
    from PIL import Image

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    limit = max_pixels or Image.MAX_IMAGE_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=formats or _supported()) as image:
            if limit is not None and image.width * image.height > limit:
                raise LargeImageError(f"{image.width:,} x {image.height:,}", limit)
            yield image
    except UnreadableImageError:
        raise
    except bombs as error:
        raise LargeImageError("hundreds of millions", limit) from error
    except Image.UnidentifiedImageError as error:
        tried = ", ".join(formats or FORMATS)
        raise UnreadableImageError(f"cannot identify it as one of {tried}") from error
    except Exception as error:
        # Damaged files end in errors of many kinds; MemoryError has no text.
        reason = f"{type(error).__name__}: {error}" if str(error) else repr(error)
        raise UnreadableImageError(reason) from error


@functools.cache
def _supported():
    """The formats that this installation of Pillow can decode."""
    from PIL import Image

    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]

"""The one place where an image file is opened: the named formats, and one error."""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.ranges import Extent

# Formats whose decoders are libraries, by Pillow's names. Of what else Pillow opens,
# some start programs (PostScript) and some are rarely tested.
FORMATS = tuple("AVIF BMP GIF JPEG JPEG2000 PNG PPM TGA TIFF WEBP".split())
# With the extra `heif`.
HEIF, HEIF_SUFFIXES = "HEIF", (".heic", ".heif")
SUFFIXES = (
    *".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .gif .webp .tif .tiff".split(),
    *".ppm .pgm .pbm .pnm .pfm .jp2 .j2k .j2c .jpc .jpf .jpx .tga .avif".split(),
    *(HEIF_SUFFIXES if importlib.util.find_spec("pillow_heif") else ()),
)

LARGE = 2**22  # pixels
_large = threading.RLock()

PAGES = "it has pages: the first is taken"
ANIMATED = "it is animated: the first is taken"
ON_WHITE = "what is transparent became white"
ALPHA_BAND = "its last band is tagged as alpha and became white"


class UnreadableImageError(ValueError):
    """The bytes of a file are not an image that can be decoded."""


class NotFiniteError(UnreadableImageError):
    """A file holds NaN or infinite values."""


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
        formats: some of `FORMATS`, the only ones that are tried. Defaults to all, and
            HEIF where the extra `heif` is installed.
        max_pixels: int, the most that its head may claim. Defaults to that of
            `bounds.BOUNDS`.

    Raises:
        LargeImageError: if it claims more pixels.
        UnreadableImageError: if it is of no such format, or fails to decode within the
            context, whatever its decoder throws.
    """
    from PIL import Image

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=formats or _supported()) as image:
            check_size(image.width, image.height, max_pixels)
            yield image
    except UnreadableImageError:
        raise
    except bombs as error:
        limit = max_pixels or BOUNDS.pixels
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
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [name for name in (*FORMATS, HEIF) if name in Image.OPEN]


def one_at_a_time(pixels: int):
    """A context in which no other large image is decoded, if this one is large.

    Memory stays that of one image then, whatever the number of threads.
    """
    return _large if pixels > LARGE else contextlib.nullcontext()


def strips(height: int, width: int) -> list[slice]:
    """Rows of an image that are converted together."""
    rows = max(1, LARGE // max(1, width))
    return [slice(top, min(height, top + rows)) for top in range(0, height, rows)]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image of a file, upright, its values as deep as the file has them.

    Args:
        values: `(height, width, channels)`: uint8 of 1 or 3 channels, or more bands;
            or deep ones, which are ints of more than 8 bits or floats.
        alpha: float32 `(height, width, 1)` in [0, 1] beside deep values, or None.
        bits: int, that the file says its values have, or 0: what their type has.
        inverted: bool. Whether the least value is white.
        notes: str, what was done to come to the values.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 0
    inverted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_deep(self) -> bool:
        """Whether the values have to be scaled to become 8-bit levels."""
        return self.values.dtype != np.uint8

    @property
    def kind(self) -> str:
        """The kind of values that has one scale: uint8, int (of more bits) or float."""
        deep = "float" if self.values.dtype.kind == "f" else "int"
        return deep if self.is_deep else "uint8"

    @property
    def extent(self) -> Extent:
        """What the scale of a data set has to hold."""
        return Extent.of(self.values, self.bits)

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel."""
        return self.values.shape[-1] == 1

    def levels(self, value_range: tuple[float, float] | None = None) -> np.ndarray:
        """Uint8 `(height, width, channels)`.

        Args:
            value_range: the values that become 0 and 255. Defaults to those of the
                image alone, if it is deep, and else to 0 and 255.
        """
        if value_range is None and not self.is_deep:
            return self.values
        low, high = value_range or self.extent.value_range()
        levels = np.empty(self.values.shape, np.uint8)
        with one_at_a_time(self.values.size):
            for rows in strips(*self.values.shape[:2]):
                # A float32 cannot hold all int32.
                scaled = self.values[rows].astype(np.float64) - low
                scaled *= 255 / (high - low)
                if self.inverted:
                    scaled = 255 - scaled
                if self.alpha is not None:
                    alpha = self.alpha[rows]
                    scaled = scaled * alpha + 255 * (1 - alpha)
                levels[rows] = np.clip(np.rint(scaled), 0, 255)
        return levels


def check_size(width: int, height: int, max_pixels: int | None = None) -> None:
    """Raises LargeImageError for more pixels than `max_pixels` or `bounds.BOUNDS`."""
    from PIL import Image

    limit = max_pixels or BOUNDS.pixels
    if Image.MAX_IMAGE_PIXELS is not None:
        limit = min(limit, Image.MAX_IMAGE_PIXELS)
    if width * height > limit:
        raise LargeImageError(f"{width:,} x {height:,}", limit)


def are_rows(count: int, height: int, width: int) -> bool:
    """Whether pages look like the rows of one image, their width like its bands."""
    least = min(count, height)
    return 2 * width <= least or (count == height and width < least)


def check_pages(count: int, height: int, width: int, frames: str) -> None:
    """Raises UnreadableImageError if pages may be the rows of one image.

    Writers that take the last axis for width make such files of images with bands.
    """
    if not frames and are_rows(count, height, width):
        raise UnreadableImageError(
            f"has {count} pages of {height} x {width} (height x width): {count} images "
            f"(--frames=first or all), or one image of {count} x {height} with {width} "
            "bands (--frames=bands)?"
        )


def deep_picture(
    values,
    alpha,
    orientation,
    bits=0,
    inverted=False,
    notes=(),
    on_white=ON_WHITE,
):
    """A `Picture` of values as they are stored, which are turned as a tag says.

    Raises: UnreadableImageError: if values are not finite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NotFiniteError("holds values that are not finite")
    if alpha is not None:
        if (alpha == 1).all():
            alpha = None
        else:
            notes = (*notes, on_white)
    both = [
        array if array is None else _upright(array, orientation)
        for array in (values, alpha)
    ]
    return Picture(*both, bits=bits, inverted=inverted, notes=tuple(notes))


def _upright(values, orientation):
    """Values as they are seen; the tag is that of EXIF and TIFF, from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)

"""TIFF files of bands, pages and depths that Pillow does not read as they are."""

import io
import logging
import math

import numpy as np

from vqzoo.datasets.images import (
    ALPHA_BAND,
    PAGES,
    Picture,
    UnreadableImageError,
    are_rows,
    check_pages,
    check_size,
    deep_picture,
)

# What they say of a file that they refuse is an error here, or read by the other.
for library in ("PIL.TiffImagePlugin", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _TEXT, _SAMPLES, _EXTRA, _FORMAT = 258, 262, 270, 277, 338, 339
_ALPHA = (1, 2)  # of extra samples: associated with the colors, or not
_CMYK, _UNSIGNED, _SIGNED = 5, 1, 2
_COLORS = (0, 1, 2)  # white is zero, black is zero, RGB


def is_plain(image, frames: str) -> bool:
    """Whether Pillow reads an opened TIFF with all of its bands and bits.

    Args:
        image: `PIL.Image` of the file.
        frames: as in `images.read`.
    """
    tags = image.tag_v2
    samples, kind = tags.get(_SAMPLES, 1), tags.get(_FORMAT, (_UNSIGNED,))[0]
    bits, extra = set(tags.get(_BITS, (1,))), tuple(tags.get(_EXTRA, ()))
    text = str(tags.get(_TEXT, ""))
    if image.n_frames > 1 and (
        frames == "bands" or text.startswith("ImageJ") or "<OME" in text
    ):
        return False
    if samples == 1:
        deep_unsigned = bits == {32} and kind == _UNSIGNED
        return not deep_unsigned and not (bits == {8} and kind == _SIGNED)
    if bits != {8} or kind != _UNSIGNED:
        return False
    if tags.get(_PHOTOMETRIC) == _CMYK:
        return samples == 4
    has_alpha = extra in ((1,), (2,)) and frames != "bands"
    return samples == 3 or (samples in (2, 4) and has_alpha)


def read(data: bytes, frames: str, max_pixels: int | None = None) -> list[Picture]:
    """All images of a TIFF that are taken, as `images.read`: bands are channels.

    Raises: UnreadableImageError: if it cannot be read, with the extra that may help.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return _read(file, frames, max_pixels)
    except UnreadableImageError:
        raise
    except Exception as error:
        # As of other decoders: damaged files end in errors of many kinds.
        needed = "imagecodecs" in str(error)
        hint = "; pip install vqzoo[tiff] brings it" if needed else ""
        raise UnreadableImageError(
            f"is a TIFF that cannot be read: {error!s:.200}{hint}"
        ) from error


def _read(file, frames, max_pixels):
    series = file.series[0]
    page = series.keyframe
    notes = []
    if page.photometric not in _COLORS:
        raise UnreadableImageError(
            f"holds {page.photometric.name} of {page.bitspersample} bits, which are "
            "not read"
        )
    if np.dtype(page.dtype).kind not in "uif":
        raise UnreadableImageError(f"holds {page.dtype}, expected ints or floats")
    of_pages = _sizes(series, "C") or frames in ("all", "bands")
    source = series if of_pages else page
    height = math.prod(source.shape) // page.imagewidth
    check_size(page.imagewidth, height, max_pixels)
    if len(series.pages) > 1 and not _sizes(series, "C"):
        check_pages(len(series.pages), page.imagelength, page.imagewidth, frames)
    elif len(file.series) > 1 or (len(series.pages) > 1 and not of_pages):
        notes.append(PAGES)
    stack = _stacked(source.asarray(), source.axes)
    if not of_pages and len(series.pages) > 1 and PAGES not in notes:
        notes.append(PAGES)
    if frames == "bands" and len(stack) > 1:
        stack = _as_bands(stack)
    elif frames != "all" and len(stack) > 1:
        notes.append(PAGES)
        stack = stack[:1]
    return [_picture(values, page, notes, frames) for values in stack]


def _sizes(series, axes):
    return math.prod(n for n, a in zip(series.shape, series.axes) if a in axes) > 1


def _stacked(values, axes):
    """Values `(frames, height, width, bands)` of an array whose axes have letters."""
    order = sorted(range(len(axes)), key=lambda i: _place(axes[i]))
    shape = [values.shape[i] for i in order]
    frames = sum(_place(axis) == 0 for axis in axes)
    values = values.transpose(order)
    return values.reshape(math.prod(shape[:frames]), *shape[frames : frames + 2], -1)


def _place(axis):
    return {"Y": 1, "X": 2, "C": 3, "S": 3}.get(axis, 0)


def _as_bands(stack):
    """Pages as the bands of one image; as its rows, where pages are narrow strips."""
    pages, height, width, _ = stack.shape
    if are_rows(pages, height, width):
        return stack.reshape(1, pages, height, -1)
    return stack.transpose(1, 2, 0, 3).reshape(1, height, width, -1)


def _picture(values, page, notes, frames):
    tag = page.tags.get(274)
    alpha = None
    has_alpha = page.extrasamples and page.extrasamples[-1] in _ALPHA
    if has_alpha and values.shape[-1] > 1 and frames != "bands":
        most = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1
        values, alpha = values[..., :-1], values[..., -1:] / np.float32(most)
        if page.extrasamples[-1] == 1:
            values = values / np.maximum(alpha, 1 / 65535)
    bits = page.bitspersample if page.bitspersample not in (8, 16, 32, 64) else 0
    inverted = page.photometric == 0
    orientation = tag.value if tag else 1
    picture = deep_picture(
        values, alpha, orientation, bits, inverted, notes, on_white=ALPHA_BAND
    )
    if page.dtype == np.uint8 and (inverted or alpha is not None):
        return Picture(picture.levels((0, 255)), notes=picture.notes)
    return picture

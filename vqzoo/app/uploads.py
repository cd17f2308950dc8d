"""From the bytes that a stranger sends to an image, or to a reason in plain words."""

import numpy as np

from vqzoo.datasets import pixels
from vqzoo.datasets.images import (
    FORMATS,
    LargeImageError,
    UnreadableImageError,
)
from vqzoo.datasets.reading import read as read_file

MAX_BYTES = 16 * 2**20
MAX_PIXELS = 25_000_000


class UploadError(ValueError):
    """Bytes that give no image, with a reason for the person who sent them."""


def read(data, image_shape):
    """An image of the model's shape, of the bytes of a file.

    The middle square is cut out and resized; an animation gives its first frame.

    Args:
        data: bytes.
        image_shape: `(height, width, channels)`.

    Returns:
        `(image, notes)`: float32 of that shape in [-0.5, 0.5], and a list of str: what
        was done to the image.

    Raises:
        UploadError: if there is no image in the bytes, or too large a one.
    """
    if len(data) > MAX_BYTES:
        size = len(data) / 2**20
        raise UploadError(
            f"expected a file of at most {MAX_BYTES // 2**20} MB, received {size:.1f} "
            "MB; a smaller copy of the image does as well"
        )
    try:
        picture = read_file(data, max_pixels=MAX_PIXELS)[0]
    except LargeImageError as error:
        raise UploadError(
            f"expected at most {MAX_PIXELS // 10**6} million pixels, received "
            f"{error.claimed}; a smaller copy of the image does as well"
        ) from error
    except UnreadableImageError as error:
        raise UploadError(
            f"expected an image ({', '.join(FORMATS)}), received bytes that are none, "
            f"or one that is broken: {error}"
        ) from error
    decoded, notes = pixels.color(picture.levels()), list(picture.notes)
    if picture.is_deep:
        notes.insert(0, "reduced to 8 bits per channel")
    if picture.is_gray:
        notes.append("converted to gray")
    try:
        pixels.to_channels(decoded[:0], image_shape[-1])
    except ValueError as error:
        raise UploadError(
            f"expected an image as the model has them: {error}"
        ) from error
    notes.append(_resizing(decoded.shape, image_shape))
    return to_shape(decoded, image_shape), notes


def to_shape(image, image_shape):
    """uint8 pixels of any size as a model's input: the middle, resized.

    Args:
        image: uint8 `(height, width, 3)`.
        image_shape: `(height, width, channels)`.

    Returns:
        float32 of `image_shape`, in [-0.5, 0.5].
    """
    height, width, channels = image_shape
    # The square first: resizing all of a long strip could take any amount of memory.
    side = min(image.shape[:2])
    resized = pixels.fit(
        _middle(image, side, side), max(height, width), resize="upscale"
    )
    resized = pixels.to_channels(_middle(resized, height, width), channels)
    return np.asarray(pixels.to_float(np.ascontiguousarray(resized)))


def _middle(image, height, width):
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _resizing(received, wanted):
    height, width = received[:2]
    if (height, width) == tuple(wanted[:2]):
        return f"{width} x {height} pixels, taken as they are"
    cut = "" if height == width else "cropped to the center and "
    return f"{width} x {height} pixels, {cut}resized to {wanted[1]} x {wanted[0]}"

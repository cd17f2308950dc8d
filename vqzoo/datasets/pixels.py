"""From the bytes of an image file to uint8 arrays of one size, and on to floats."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.images import UnreadableImageError as UnreadableImageError
from vqzoo.datasets.reading import read

_LARGEST_PADDING = 0.25  # of the side of the image, for 28 x 28 -> 32 x 32
SMALLER_HELP = "choose a smaller --image_size, or --resize=pad, stretch or upscale"


class SmallImageError(ValueError):
    """An image has fewer pixels than the crop asks for; `size` is width and height."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"{width} x {height} pixels")
        self.size = width, height


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Bring uint8 images to float32 in [-0.5, 0.5]."""
    return tf.cast(images, tf.float32) * (1.0 / 255.0) - 0.5


def decode(
    data: bytes,
    formats: Sequence[str] | None = None,
    value_range: tuple[float, float] | None = None,
) -> tuple[np.ndarray, bool]:
    """The one image, or the first, of the bytes of an image file, as `reading.read`.

    Args:
        data: bytes.
        formats: as in `images.open_image`.
        value_range: as in `images.Picture.levels`.

    Returns: uint8 pixels `(height, width, channels)`, 3 or the number of bands, and
        whether the file was gray.
    Raises: UnreadableImageError: as in `reading.read`.
    """
    picture = read(data, formats=formats)[0]
    return color(picture.levels(value_range)), picture.is_gray


def color(pixels: np.ndarray) -> np.ndarray:
    """Pixels of one channel as those of three; others as they are."""
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def fit(
    pixels: np.ndarray, size: int, *, resize: str = "crop", border: bool = False
) -> np.ndarray:
    """Bring an image to a square of `size`.

    Args:
        pixels: uint8 `(height, width, channels)`.
        size: int. Side of the square result.
        resize: "crop": the short side becomes `size` and the center is cropped;
            "upscale": so are smaller images; "stretch": both sides become `size`;
            "pad": the long side becomes at most `size`, the rest is black.
        border: bool. Lay images which are up to a quarter smaller on black even so.
    Raises: SmallImageError: if the image would have to be enlarged to be cropped.
    """
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    largest_padded = min(height, width) * (1 + _LARGEST_PADDING)
    if border and resize == "crop" and max(height, width) <= size <= largest_padded:
        return _pad(pixels, size)
    if resize == "stretch":
        return _resized(pixels, size, size)
    if resize == "pad":
        ratio = min(1, size / max(height, width))
        sides = (max(1, round(height * ratio)), max(1, round(width * ratio)))
        return _pad(_resized(pixels, *sides), size)
    if min(height, width) < size and resize == "crop":
        raise SmallImageError(width, height)
    ratio = size / min(height, width)
    height, width = round(height * ratio), round(width * ratio)
    left, top = (width - size) // 2, (height - size) // 2
    resized = _resized(pixels, height, width)
    return np.ascontiguousarray(resized[top : top + size, left : left + size])


def _resized(pixels, height, width):
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.shape[-1] != 3:
        # Four channels would be taken for colors and alpha.
        bands = [Image.fromarray(band) for band in np.moveaxis(pixels, -1, 0)]
    else:
        bands = [Image.fromarray(pixels)]
    size, how = (width, height), Image.Resampling.LANCZOS
    resized = [np.asarray(band.resize(size, how)) for band in bands]
    return resized[0] if pixels.shape[-1] == 3 else np.stack(resized, axis=-1)


def fit_all(images: np.ndarray, size: int | None, resize: str = "crop") -> np.ndarray:
    """Images `(N, height, width, channels)` of one size, each by `fit` with a border.

    Raises: ValueError: if they are smaller than `size` by more than a quarter.
    """
    if size is None or images.shape[1:3] == (size, size):
        return images
    try:
        return np.stack(
            [fit(image, size, resize=resize, border=True) for image in images]
        )
    except SmallImageError as error:
        raise ValueError(
            f"expected images of at least {size} x {size} pixels, found {error}; "
            f"{SMALLER_HELP}"
        ) from error


def to_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Give images 1 (luma, ITU-R 601) or 3 channels, in the last axis, or their bands.

    Raises: ValueError: if images of other bands have another number of them.
    """
    bands = images.shape[-1]
    if bands == channels:
        return images
    if {bands, channels} != {1, 3}:
        expected = "1 or 3" if bands in (1, 3) else bands
        raise ValueError(
            f"expected {expected} channels for images of {bands}, received "
            f"channels={channels}"
        )
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    luma = images @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def _pad(pixels: np.ndarray, size: int) -> np.ndarray:
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    padded = np.zeros((size, size, pixels.shape[-1]), np.uint8)
    padded[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return padded

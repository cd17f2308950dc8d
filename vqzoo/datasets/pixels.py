"""From the bytes of an image file to uint8 arrays of one size, and on to floats."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.images import open_image

_LARGEST_PADDING = 0.25  # of the side of the image, for 28 x 28 -> 32 x 32
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")


class SmallImageError(ValueError):
    """An image has fewer pixels than the crop asks for; `size` is width and height."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"{width} x {height} pixels")
        self.size = width, height


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Bring uint8 images to float32 in [-0.5, 0.5]."""
    return tf.cast(images, tf.float32) * (1.0 / 255.0) - 0.5


def decode(
    data: bytes, formats: Sequence[str] | None = None
) -> tuple[np.ndarray, bool]:
    """Decode the bytes of an image file, of any of `images.FORMATS` or of some.

    Rotates as EXIF says, lays transparency on white, brings 16 bits to 8, and CMYK and
    palettes to RGB.

    Returns: uint8 pixels `(height, width, 3)` and whether the file was gray.
    Raises: UnreadableImageError: as of `images.open_image`.
    """
    from PIL import ImageOps

    with open_image(data, formats) as image:
        gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16")
        upright = ImageOps.exif_transpose(image)
        return np.asarray(_to_rgb(upright)), gray


def _to_rgb(image):
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        values = np.clip(np.round(values / _level(image.mode, values)), 0, 255)
        image = Image.fromarray(values.astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _level(mode, values) -> float:
    """How much of a deep gray image is one of 255 levels."""
    if mode == "F" and values.max() <= 255:
        return 1 / 255 if values.max() <= 1 else 1
    return 257


def fit(
    pixels: np.ndarray, size: int, *, pad: bool = False, enlarge: bool = False
) -> np.ndarray:
    """Resize the short side of an image to `size` and crop the center.

    Args:
        pixels: uint8 `(height, width, channels)`.
        size: int. Side of the square result.
        pad: bool. Lay images which are up to a quarter smaller on black instead.
        enlarge: bool. Whether smaller images may be enlarged.
    Raises: SmallImageError: if the image would have to be enlarged and may not.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    largest_padded = min(height, width) * (1 + _LARGEST_PADDING)
    if pad and max(height, width) <= size <= largest_padded:
        return _pad(pixels, size)
    if min(height, width) < size and not enlarge:
        raise SmallImageError(width, height)
    ratio = size / min(height, width)
    new_width, new_height = round(width * ratio), round(height * ratio)
    left, top = (new_width - size) // 2, (new_height - size) // 2
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    resized = image.resize((new_width, new_height), Image.Resampling.LANCZOS)
    cropped = resized.crop((left, top, left + size, top + size))
    return np.asarray(cropped).reshape(size, size, pixels.shape[-1])


def fit_all(images: np.ndarray, size: int | None) -> np.ndarray:
    """Images `(N, height, width, channels)` of one size, each by `fit` with a border.

    Raises: ValueError: if they are smaller than `size` by more than a quarter.
    """
    if size is None or images.shape[1:3] == (size, size):
        return images
    try:
        return np.stack([fit(image, size, pad=True) for image in images])
    except SmallImageError as error:
        raise ValueError(
            f"expected images of at least {size} x {size} pixels, found {error}; "
            "choose a smaller --image_size"
        ) from error


def to_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Give images 1 (luma, ITU-R 601) or 3 channels, in the last axis.

    Raises: ValueError: if `channels` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"expected 1 or 3 channels, received channels={channels}")
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    luma = images @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def _pad(pixels: np.ndarray, size: int) -> np.ndarray:
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    padded = np.zeros((size, size, pixels.shape[-1]), np.uint8)
    padded[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return padded

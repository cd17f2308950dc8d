"""How many bits images need: as codes, and as files of JPEG and WebP."""

import io
import math

import numpy as np

from vqzoo.measures.likelihood import unigram_bits
from vqzoo.measures.reconstruction import reconstruction_error

QUALITIES = (5, 10, 20, 35, 50, 65, 80, 92)
FORMATS = ("JPEG", "WebP")
_JPEG_SCAN = b"\xff\xda"
_WEBP_FRAME_HEADER = 10  # bytes of a key frame before the compressed data


def code_rates(codes, train_codes, num_embeddings, num_pixels, bits_per_code=None):
    """Bits per pixel of one tier, counted three ways.

    Args:
        codes: int `(N, ...)`, of the images.
        train_codes: int, of other images, whose frequencies are taken.
        num_embeddings: int, K.
        num_pixels: int, height times width of an image.
        bits_per_code: float, what the tier's prior needs, or None without a prior.

    Returns:
        dict: `raw` (log2 K bits for each code), `unigram` (the frequencies of the codes
        alone) and, with a prior, `prior`.

    Raises:
        ValueError: if there are no codes.
    """
    if not len(codes):
        raise ValueError("expected the codes of at least one image, received 0")
    per_pixel = math.prod(codes.shape[1:]) / num_pixels
    bits = {
        "raw": math.log2(num_embeddings),
        "unigram": unigram_bits(train_codes, codes, num_embeddings),
    }
    if bits_per_code is not None:
        bits["prior"] = bits_per_code
    return {name: float(each * per_pixel) for name, each in bits.items()}


def codec_curve(images, file_format, qualities=QUALITIES):
    """Rate and distortion of an image format at several qualities.

    Args:
        images: float `(N, H, W, 1 or 3)` in [-0.5, 0.5]; each becomes a file.
        file_format: `"JPEG"` or `"WebP"`, with Pillow, lossy.
        qualities: ints in [0, 100].

    Returns:
        list of dicts: `quality`, `bits_per_pixel` of whole files,
        `data_bits_per_pixel` without headers and tables, and `psnr` (mean of the
        images' own) and `mean_squared_error` of what comes back.

    Raises:
        ValueError: if the format is another, or there are no images.
    """
    if file_format not in FORMATS or not len(images):
        raise ValueError(
            f"expected images and a format of {FORMATS}, received {len(images)} images "
            f"and {file_format=}"
        )
    levels = np.round((np.clip(images, -0.5, 0.5) + 0.5) * 255).astype("uint8")
    pixels = len(images) * math.prod(images.shape[1:3])
    rows = []
    for quality in qualities:
        files = [_encode(image, file_format, quality) for image in levels]
        data = sum(len(each) - _overhead(each, file_format) for each in files)
        rebuilt = np.stack([_decode(each, images.shape[-1]) for each in files])
        errors = reconstruction_error(images, rebuilt / np.float32(255) - 0.5)
        rows.append(
            {
                "quality": quality,
                "bits_per_pixel": 8 * sum(map(len, files)) / pixels,
                "data_bits_per_pixel": 8 * data / pixels,
                "psnr": errors["psnr"],
                "mean_squared_error": errors["mean_squared_error"],
            }
        )
    return rows


def _encode(image, file_format, quality):
    from PIL import Image

    file = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    # The tables of JPEG stay the standard ones, which a header need not hold.
    Image.fromarray(pixels).save(file, file_format, quality=quality)
    return file.getvalue()


def _decode(data, channels):
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def _overhead(data, file_format):
    """Bytes of a file that are not compressed pixels: headers, tables, markers."""
    if file_format == "WebP":
        return data.index(b"VP8 ") + 8 + _WEBP_FRAME_HEADER
    scan = data.rindex(_JPEG_SCAN)
    end_marker = 2
    header = int.from_bytes(data[scan + 2 : scan + 4], "big")
    return scan + 2 + header + end_marker

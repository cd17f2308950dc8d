"""How many bits images need: as codes, and as files of JPEG and WebP."""

import io
import math

import numpy as np

from vqzoo import plots, registry
from vqzoo.datasets.images import open_image
from vqzoo.images import to_images, to_uint8
from vqzoo.measures.likelihood import unigram_bits
from vqzoo.measures.reconstruction import decode_tiers, reconstruction_error

ORDER = 4
TITLE = "Rate and distortion"
TEXT = (
    "Bits per pixel of the codes against PSNR, from the top tier alone to all "
    "tiers: as raw indices (log2 K bits each), by the frequencies of the codes, "
    "and by the exact likelihood of the priors if there are any. For "
    "comparison, JPEG and WebP with one file per image, without headers and "
    "tables, which would be most of a small file; the table has whole files "
    "too. All use the same test images, at most 1,000. Images that were JPEG "
    "files before lose less in JPEG than others would."
)
WORDS = {
    "raw": "codes, raw indices",
    "unigram": "codes, by frequency",
    "prior": "codes, by the priors",
}

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
    return {name: float(code * per_pixel) for name, code in bits.items()}


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
    levels = to_uint8(np.asarray(images))
    pixels = len(images) * math.prod(images.shape[1:3])
    rows = []
    for quality in qualities:
        files = [_encode(image, file_format, quality) for image in levels]
        data = sum(len(file) - _overhead(file, file_format) for file in files)
        rebuilt = np.stack([_decode(file, images.shape[-1]) for file in files])
        errors = reconstruction_error(images, to_images(rebuilt))
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
    with open_image(data) as image:
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


@registry.named("rate_distortion")
def measure(subject, section):
    """Rate and distortion of the codes and of image formats."""
    images = subject.images[: subject.sizes.some]
    series, table = {}, []
    with section.attempt("rate of the codes"):
        subject.need_whole_codes()
        for name, points in _points(subject, section, images).items():
            series[WORDS[name]] = [p[1] for p in points], [p[2] for p in points]
            for tiers, rate, psnr in points:
                table.append((f"{WORDS[name]}, {tiers}", rate, "-", psnr))
                key = f"{name}_{tiers.replace(' + ', '_')}"
                section.add({f"{key}_bits_per_pixel": rate, f"{key}_psnr": psnr})
            section.add({f"{name}_bits_per_pixel": rate, "psnr": psnr})
    formats = FORMATS if images.shape[-1] in (1, 3) else ()  # of bands there are none
    for file_format in formats:
        rows = codec_curve(images, file_format)
        series[file_format] = (
            [row["data_bits_per_pixel"] for row in rows],
            [row["psnr"] for row in rows],
        )
        for row in rows:
            name = f"{file_format}, quality {row['quality']}"
            bits = row["data_bits_per_pixel"], row["bits_per_pixel"]
            table.append((name, *bits, row["psnr"]))
            key = f"{file_format.lower()}_{row['quality']}"
            section.add({f"{key}_bits_per_pixel": bits[0], f"{key}_psnr": row["psnr"]})
    section.picture(
        "Rate and distortion",
        f"{len(images):,} test images; further up and to the left is better.",
        lambda: plots.curves(series, "bits per pixel", "PSNR (dB)", log_x=True),
    )
    section.table(
        f"Rate and distortion, {len(images):,} test images",
        ("what", "bits per pixel", "with headers", "PSNR (dB)"),
        table,
    )


def _points(subject, section, images):
    """Points `(tiers, bits per pixel, PSNR)` of each way of counting."""
    codes, bits = subject.some_codes(len(images)), {}
    with section.attempt("rate by the priors"):
        subject.need_priors()
        figures = subject.tier_figures.items()
        bits = {name: row["test"]["bits_per_code"] for name, row in figures}
    points, total = {}, {}
    for tier in subject.tiers:
        kept = [other.index <= tier.index for other in subject.tiers]
        rebuilt = decode_tiers(subject.decode, codes, kept)
        psnr = reconstruction_error(images, rebuilt)["psnr"]
        rates = code_rates(
            codes[tier.index],
            subject.train_codes[tier.index],
            tier.num_embeddings,
            subject.num_pixels,
            bits.get(tier.name),
        )
        tiers = " + ".join(t.name for t in subject.tiers[: tier.index + 1])
        for name, rate in rates.items():
            total[name] = total.get(name, 0.0) + rate
            points.setdefault(name, []).append((tiers, total[name], psnr))
    return points

"""One set of odd files through every reader: one file gives one image everywhere."""

import io
import shutil
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tests.helpers.pictures import png_of_any_kind
from vqzoo.app import uploads
from vqzoo.codec import batch
from vqzoo.datasets import ranges, reading
from vqzoo.datasets.arrays import load_arrays
from vqzoo.datasets.decoding import decode_files
from vqzoo.datasets.folder import load_folder
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import color, to_channels
from vqzoo.datasets.summary import Summary
from vqzoo.export import image_files

SIDE = 16
RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (SIDE, SIDE), np.uint8)
GRAY[0, :2] = 0, 255
COLOR = RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
COLOR[0, 0] = 0, 128, 255


def pillow(image, kind="PNG", **options):
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def deep_png(values, kind):
    rows = [b"\0" + np.ascontiguousarray(row, ">u2").tobytes() for row in values]
    return png_of_any_kind(SIDE, SIDE, 16, kind, b"".join(rows))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def with_alpha(values, alpha):
    return np.concatenate([values, alpha[..., None].astype(values.dtype)], axis=-1)


def on_white(values, alpha):
    """8-bit values over white, of an alpha of 0 or 255."""
    return np.where(alpha[..., None] > 0, values, 255).astype(np.uint8)


ALPHA = np.where(np.indices((SIDE, SIDE)).sum(0) % 3, 255, 0)
BANDS = RNG.integers(0, 256, (SIDE, SIDE, 4), np.uint8)
TWELVE = GRAY.astype(np.uint16) * 16 + GRAY // 16  # 0 to 4,095
PALETTE = Image.fromarray(COLOR).quantize(64)
PALETTE_COLORS = np.asarray(PALETTE.convert("RGB"))
CMYK = Image.fromarray(COLOR).convert("CMYK")
FRAMES = {"save_all": True, "append_images": [Image.fromarray(255 - COLOR)]}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
# Names to the bytes of a file and its uint8 values as `levels` gives them.
FILES = {
    "gray.png": (pillow(GRAY), GRAY),
    "color.png": (pillow(COLOR), COLOR),
    "bits.png": (pillow(Image.fromarray(GRAY > 99)), np.uint8(GRAY > 99) * 255),
    "palette.png": (pillow(PALETTE), PALETTE_COLORS),
    "alpha.png": (
        pillow(Image.fromarray(with_alpha(COLOR, ALPHA))),
        on_white(COLOR, ALPHA),
    ),
    "gray_alpha.png": (
        pillow(Image.fromarray(with_alpha(GRAY[..., None], ALPHA), "LA")),
        on_white(GRAY[..., None], ALPHA),
    ),
    "turned.png": (pillow(COLOR, exif=exif(6)), np.rot90(COLOR, -1)),
    "mirrored.png": (pillow(GRAY, exif=exif(2)), GRAY[:, ::-1]),
    "profile.png": (pillow(COLOR, icc_profile=PROFILE), COLOR),
    "twelve.png": (pillow(TWELVE), GRAY),
    "sixteen.png": (pillow(GRAY.astype(np.uint16) * 257), GRAY),
    "deep_color.png": (deep_png(COLOR.astype(np.uint16) * 257, 2), COLOR),
    "twelve_color.png": (deep_png(COLOR * np.uint16(16) + COLOR // 16, 2), COLOR),
    "deep_alpha.png": (
        deep_png(with_alpha(COLOR.astype(np.uint16) * 257, ALPHA * 257), 6),
        on_white(COLOR, ALPHA),
    ),
    "deep_gray_alpha.png": (
        deep_png(with_alpha(GRAY[..., None].astype(np.uint16) * 257, ALPHA * 257), 4),
        on_white(GRAY[..., None], ALPHA),
    ),
    "animated.png": (pillow(COLOR, **FRAMES), COLOR),
    "animated.webp": (pillow(COLOR, "WEBP", lossless=True, **FRAMES), COLOR),
    "palette.gif": (pillow(PALETTE, "GIF"), PALETTE_COLORS),
    "color.bmp": (pillow(COLOR, "BMP"), COLOR),
    "color.tga": (pillow(COLOR, "TGA"), COLOR),
    "color.jp2": (pillow(COLOR, "JPEG2000", irreversible=False), COLOR),
    "twelve.pgm": (
        b"P5 16 16 65535\n" + TWELVE.astype(">u2").tobytes(),
        GRAY,
    ),
    "deep.ppm": (
        b"P6 16 16 65535\n" + (COLOR.astype(">u2") * 257).tobytes(),
        COLOR,
    ),
    "cmyk.tif": (pillow(CMYK, "TIFF"), np.asarray(CMYK.convert("RGB"))),
    "white_is_zero.tif": (tiff(TWELVE, photometric="miniswhite"), 255 - GRAY),
    "turned.tif": (pillow(GRAY, "TIFF", exif=exif(8)), np.rot90(GRAY)),
    "deep_color.tif": (tiff(COLOR.astype(np.uint16) * 257), COLOR),
    "negative.tif": (tiff(GRAY.astype(np.int32) * 16 - 1024), GRAY),
    "float.tif": (tiff(GRAY / np.float32(255)), GRAY),
    "thousand.tif": (tiff(GRAY / np.float32(0.255)), GRAY),
    "double.tif": (tiff(GRAY.astype(np.float64)), GRAY),
    "unsigned.tif": (tiff(GRAY.astype(np.uint32) * 2**24), GRAY),
    "pages.tif": (tiff(np.stack([GRAY, 255 - GRAY])), GRAY),
    "channels.tif": (
        tiff(np.moveaxis(COLOR, -1, 0), imagej=True, metadata={"axes": "CYX"}),
        COLOR,
    ),
    "bands.tif": (tiff(BANDS, photometric="rgb", extrasamples=["unspecified"]), BANDS),
    "planes.tif": (
        tiff(np.moveaxis(BANDS, -1, 0), photometric=1, planarconfig="separate"),
        BANDS,
    ),
    "alpha.tif": (tiff(with_alpha(COLOR, ALPHA)), on_white(COLOR, ALPHA)),
}
each_file = pytest.mark.parametrize("name", FILES)


def expected(name):
    levels = FILES[name][1]
    return color(levels[..., None] if levels.ndim == 2 else levels)


@each_file
def test_a_file_is_read_with_all_its_bands_and_bits(name):
    (picture,) = reading.read(FILES[name][0])
    levels = color(picture.levels())
    assert levels.dtype == np.uint8
    np.testing.assert_allclose(levels.astype(int), expected(name).astype(int), atol=1)


@each_file
def test_one_file_gives_one_image_everywhere(name):
    data = FILES[name][0]
    levels = color(reading.read(data)[0].levels())
    channels = levels.shape[-1]
    (loaded,), _, _ = decode_files(
        lambda names: [(name, data)], [name], Summary(), channels=channels
    )
    np.testing.assert_array_equal(loaded, levels)
    pictures = batch._Pictures(channels, (), batch.Report())
    if pictures(data) is None:
        pictures.settle()
    np.testing.assert_array_equal(pictures(data), levels)
    shown, _ = uploads.read(data, (SIDE, SIDE, channels))
    np.testing.assert_allclose((shown + 0.5) * 255, levels, atol=1e-3)


SERVED_TOO = {
    f"turned {turned}.{suffix}": pillow(
        Image.fromarray(COLOR[:6, :5]).resize((SIDE, SIDE)), kind, exif=exif(turned)
    )
    for turned in range(1, 9)
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"))
} | {"cmyk.jpg": pillow(CMYK, "JPEG"), "gray.jpg": pillow(GRAY, "JPEG")}
SERVED_TOO |= {
    f"{bits} bits.png": pillow(
        Image.fromarray(COLOR).quantize(2**bits), transparency=1, bits=bits
    )
    for bits in (1, 2, 4)
} | {
    "gray of two bits.png": png_of_any_kind(
        SIDE, SIDE, 2, 0, b"\0\x1b\x2e\0\xff" * SIDE
    ),
    "gray of a hole.png": pillow(GRAY // 9, transparency=1),
}


def test_servers_read_jpeg_and_png_files_to_the_same_images():
    import tensorflow as tf

    served = SERVED_TOO | {
        n: data for n, (data, _) in FILES.items() if n.endswith(".png")
    }
    for channels in (3, 1):
        images = tf.function(image_files.read)(
            tf.constant(list(served.values())), (SIDE, SIDE, channels)
        )
        for (name, data), image in zip(served.items(), images.numpy()):
            levels = to_channels(color(reading.read(data)[0].levels()), channels)
            np.testing.assert_array_equal(image, levels, name)


def values_of(splits):
    parts = (splits.train, splits.validation, splits.test)
    images = np.concatenate([part.arrays()[0] for part in parts])
    return np.rint((images + 0.5) * 255).astype(np.uint8)


@pytest.mark.filterwarnings("ignore:of . files")
def test_folders_and_archives_have_the_same_images(tmp_path):
    pictures = {name: reading.read(data)[0] for name, (data, _) in FILES.items()}
    names = [n for n, picture in pictures.items() if picture.values.shape[-1] < 4]
    names = [name for name in names if not pictures[name].is_deep]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(FILES[name][0])
    archive = shutil.make_archive(str(tmp_path / "packed"), "tar", tmp_path / "in")
    splits = [load_folder(source) for source in (tmp_path / "in", archive)]
    assert splits[0].fingerprint == splits[1].fingerprint
    images = {image.tobytes() for image in values_of(splits[0])}
    assert images == {color(pictures[name].levels()).tobytes() for name in names}
    assert splits[0].summary["done"]["it was turned as EXIF says"] == 3


@pytest.mark.parametrize(
    "name",
    ["twelve.png", "deep_color.png", "negative.tif", "float.tif", "thousand.tif"]
    + ["double.tif", "unsigned.tif", "bands.tif"],
)
def test_arrays_of_the_values_give_the_same_levels(name, tmp_path):
    (picture,) = reading.read(FILES[name][0])
    stack = np.stack([np.roll(picture.values, n, axis=0) for n in range(4)])
    np.save(tmp_path / "a.npy", stack)
    splits = load_arrays(tmp_path / "a.npy")
    images = values_of(splits)
    assert any(np.array_equal(picture.levels(), image) for image in images)


def test_frames_are_the_first_or_all_of_them():
    animation = pillow(COLOR, "WEBP", lossless=True, **FRAMES)
    (first,), both = reading.read(animation), reading.read(animation, "all")
    assert first.notes == ("it is animated: the first is taken",)
    np.testing.assert_array_equal(first.values, COLOR)
    assert [picture.notes for picture in both] == [(), ()]
    np.testing.assert_array_equal(both[1].values, 255 - COLOR)
    stack = tiff(np.stack([TWELVE >> n for n in range(5)]))
    assert reading.read(stack)[0].notes == ("it has pages: the first is taken",)
    pages = [picture.values[..., 0] for picture in reading.read(stack, "all")]
    np.testing.assert_array_equal(pages, [TWELVE >> n for n in range(5)])
    (bands,) = reading.read(stack, "bands")
    np.testing.assert_array_equal(bands.values[..., 1], TWELVE // 2)
    with pytest.raises(UnreadableImageError, match="only pages of a TIFF are bands"):
        reading.read(animation, "bands")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pages_that_look_like_rows_are_asked_for(dtype):
    bands = RNG.integers(0, 200, (40, 40, 13)).astype(dtype)
    data = tiff(bands, photometric="minisblack")
    message = "40 pages of 40 x 13 .* 40 images .*one image of 40 x 40 with 13 bands"
    with pytest.raises(UnreadableImageError, match=message):
        reading.read(data)
    np.testing.assert_array_equal(reading.read(data, "bands")[0].values, bands)
    assert reading.read(data, "first")[0].values.shape == (40, 13, 1)


def test_a_library_that_is_missing_is_named():
    data = pillow(Image.fromarray(COLOR), "TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(reading.read(data)[0].values, COLOR)
    data = tiff(COLOR.astype(np.uint16) * 257, compression="zlib")
    assert reading.read(data)[0].values.dtype == np.uint16
    # Compressed by LZW, as the tag says: read with the library, or it is named.
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags["Compression"].valueoffset
    data = data[:tag] + (5).to_bytes(2, "little") + data[tag + 2 :]
    with pytest.raises(UnreadableImageError) as caught:
        reading.read(data)
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        assert "pip install vqzoo[tiff]" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.uint16([0, 200]), (0, 255)),
        (np.uint16([0, 1000]), (0, 1023)),
        (np.uint16([5, 4095]), (0, 4095)),
        (np.uint16([0, 60_000]), (0, 65_535)),
        (np.uint16([0, 257 * 51]), (0, 65_535)),
        (np.int32([-1000, 3000]), (-1000, 3000)),
        (np.int32([0, 70_000]), (0, 70_000)),
        (np.float32([0.1, 1.001]), (0, 1)),
        (np.float32([-0.4, 0.5]), (-0.5, 0.5)),
        (np.float32([0, 254.5]), (0, 255)),
        (np.float32([0, 1000]), (0, 1000)),
        (np.float32([0, 0.02]), (0, np.float32(0.02))),
        (np.float32([0.7, 0.7]), (0, 1)),
        (np.float32([7e5, 7e5]), (7e5, 7e5 + 1)),
    ],
)
def test_the_range_is_the_depth_or_that_of_the_values(values, expected):
    assert ranges.Extent.of(values).value_range() == pytest.approx(expected)


def test_damaged_files_of_every_kind_give_an_image_or_the_one_error():
    generator = np.random.default_rng(1)
    kept = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (data, _) in FILES.items():
            for _ in range(6):
                damaged = bytearray(data)
                for place in generator.integers(len(data), size=3):
                    damaged[place] = generator.integers(256)
                try:
                    kept += len(reading.read(bytes(damaged[: len(data) - 3]))) > 0
                except UnreadableImageError as error:
                    assert str(error), name
    assert kept > 10

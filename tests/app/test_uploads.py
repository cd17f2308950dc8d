import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.helpers.pictures import png_of_any_kind
from vqzoo.app import uploads
from vqzoo.app.uploads import UploadError, read
from vqzoo.datasets.images import FORMATS
from vqzoo.datasets.pixels import fit

SHAPE = (16, 16, 3)


def noise(height, width, seed=0):
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def to_floats(pixels):
    return pixels.astype("float32") / np.float32(255) - np.float32(0.5)


def test_an_image_of_the_models_size_is_taken_as_it_is(to_file):
    pixels = noise(16, 16)
    image, notes = read(to_file(pixels), SHAPE)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, to_floats(pixels), atol=1e-6)
    assert notes == ["16 x 16 pixels, taken as they are"]


def test_the_middle_is_cut_out_and_resized(to_file):
    pixels = noise(40, 64)
    image, notes = read(to_file(pixels), SHAPE)
    expected = fit(np.ascontiguousarray(pixels[:, 12:52]), 16)
    np.testing.assert_allclose(image, to_floats(expected), atol=1e-6)
    assert notes == ["64 x 40 pixels, cropped to the center and resized to 16 x 16"]


def test_smaller_images_are_enlarged(to_file):
    image, _ = read(to_file(np.full((1, 1, 3), 51, np.uint8)), SHAPE)
    np.testing.assert_allclose(image, np.full(SHAPE, -0.3), atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 16, 3), (16, 8, 1)])
def test_models_of_oblong_or_gray_images_get_them(shape, to_file):
    image, _ = read(to_file(np.full((50, 20, 3), 204, np.uint8)), shape)
    np.testing.assert_allclose(image, np.full(shape, 0.3), atol=1e-6)


def test_a_strip_of_any_length_takes_no_memory(to_file):
    image, _ = read(to_file(np.full((1, 60_000, 3), 255, np.uint8)), (256, 256, 3))
    assert image.shape == (256, 256, 3) and image.min() == 0.5


@pytest.mark.parametrize(
    "data",
    [b"", b"no image at all", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"],
)
def test_what_is_no_image_is_refused_in_plain_words(data):
    with pytest.raises(UploadError, match=r"expected an image \(AVIF, BMP"):
        read(data, SHAPE)


def test_a_cut_file_is_refused(to_file):
    whole = to_file(noise(64, 64))
    with pytest.raises(UploadError, match="or one that is broken"):
        read(whole[: len(whole) // 2], SHAPE)


def test_a_program_disguised_as_an_image_is_not_run(to_file):
    data = to_file(Image.fromarray(noise(8, 8)), "EPS")
    with pytest.raises(UploadError, match="expected an image"):
        read(data, SHAPE)


def test_too_many_bytes_are_refused_before_they_are_looked_at():
    data = bytes(uploads.MAX_BYTES + 1)
    with pytest.raises(UploadError, match="at most 16 MB, received 16.0 MB"):
        read(data, SHAPE)


@pytest.mark.parametrize(
    ("side", "received"),
    [(5_001, "5,001 x 5,001"), (11_000, "hundreds of"), (30_000, "hundreds of")],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(side, received):
    data = png_of_any_kind(side, side, 8, 0, b"")
    with pytest.raises(UploadError, match=f"25 million pixels, received {received}"):
        read(data, SHAPE)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind, to_file):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = to_file(frames[0], kind, save_all=True, append_images=frames[1:])
    image, notes = read(data, SHAPE)
    np.testing.assert_allclose(image[8, 8], [0.5, -0.5, -0.5], atol=0.03)
    assert notes[0] == "it is animated: the first is taken"


def test_the_pages_of_a_document_are_told(to_file):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = to_file(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert read(data, SHAPE)[1][0] == "it has pages: the first is taken"


def test_sixteen_bits_of_gray_become_eight(to_file):
    data = to_file(np.full((16, 16), 257 * 51, np.uint16))
    image, notes = read(data, SHAPE)
    np.testing.assert_allclose(image, np.full(SHAPE, -0.3), atol=1e-6)
    assert notes[:2] == ["reduced to 8 bits per channel", "converted to gray"]


def test_sixteen_bits_of_color_become_eight():
    row = b"\0" + (b"\x33\x00" + b"\xcc\xff" + b"\x00\x80") * 16
    image, notes = read(png_of_any_kind(16, 16, 16, 2, row * 16), SHAPE)
    np.testing.assert_allclose(image[3, 5], [-0.3, 0.3, -0.5], atol=1e-6)
    assert notes[0] == "reduced to 8 bits per channel"


def test_cmyk_becomes_rgb(to_file):
    image, notes = read(
        to_file(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF"), SHAPE
    )
    np.testing.assert_allclose(image[0, 0], [0.5, -0.5, -0.5], atol=1e-6)
    assert notes[0] == "CMYK became RGB"


def test_transparency_becomes_white(to_file):
    image, notes = read(to_file(Image.new("RGBA", (16, 16), (9, 9, 9, 0))), SHAPE)
    assert image.min() == 0.5
    assert notes[0] == "what is transparent became white"


def test_what_a_camera_says_of_up_and_down_is_heeded(to_file):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was held upside down
    image, _ = read(to_file(pixels, exif=exif), SHAPE)
    assert image[-1].min() == 0.5 and image[0].max() == -0.5


def seeds_of_fuzzing(to_file):
    """Small files of each format, and of the kinds with the most code behind them."""
    picture = Image.fromarray(noise(24, 20))
    ImageDraw.Draw(picture).ellipse((2, 2, 18, 18), "red")
    frames = {"save_all": True, "append_images": [picture.rotate(90), picture]}
    plain = [to_file(picture, kind) for kind in FORMATS]
    tiffs = [
        to_file(picture, "TIFF", compression=name)
        for name in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")
    ]
    moving = [to_file(picture, kind, **frames) for kind in ("GIF", "PNG", "WEBP")]
    modes = [
        to_file(picture.convert(mode), kind)
        for mode, kind in (
            ("P", "PNG"),
            ("LA", "PNG"),
            ("1", "TIFF"),
            ("CMYK", "JPEG"),
            ("F", "TIFF"),
            ("I;16", "PNG"),
        )
    ]
    jpegs = [to_file(picture, "JPEG", progressive=True, exif=picture.getexif())]
    return plain + tiffs + moving + modes + jpegs


def broken(seed_files, generator):
    """A file with some of its bytes changed, cut, repeated or taken from another."""
    data = bytearray(seed_files[generator.integers(len(seed_files))])
    for _ in range(generator.integers(1, 6)):
        start, stop = np.sort(generator.integers(0, len(data) + 1, 2))
        what = generator.integers(6)
        if what == 0:  # numbers in a head are where most harm is done
            at = generator.integers(min(64, len(data)))
            data[at : at + 4] = generator.bytes(4)
        elif what == 1:
            at = generator.integers(len(data))
            data[at] = generator.integers(256)
        elif what == 2:
            at = generator.integers(len(data))
            data[at : at + 4] = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff")[at % 3]
        elif what == 3 and stop - start < 4096:
            data[start:start] = data[start:stop]
        elif what == 4:
            other = seed_files[generator.integers(len(seed_files))]
            data[start : start + 32] = other[start : start + 32]
        else:
            del data[start : min(stop, start + 64)]
        if not data:
            return b""
    return bytes(data)


@pytest.fixture
def written():
    """Files opened to write, and programs started, while it is asked for."""
    found, watching = [], [True]

    def watch(event, arguments):
        if not watching[0]:
            return
        if event == "open" and isinstance(arguments[1], str):
            if set(arguments[1]) & set("wax+"):
                found.append(arguments[0])
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.mkdir"):
            found.append((event, arguments[0]))

    sys.addaudithook(watch)  # it cannot be taken away again
    yield found
    watching[0] = False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "count", [400, pytest.param(10_000, marks=pytest.mark.slow)], ids=str
)
def test_broken_files_give_an_image_or_a_reason(count, to_file, written):
    import resource

    seed_files = seeds_of_fuzzing(to_file)
    for data in seed_files:
        assert read(data, SHAPE)[0].shape == SHAPE
    generator = np.random.default_rng(count)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, slowest = 0, 0.0
    for _ in range(count):
        data = broken(seed_files, generator)
        began = time.process_time()
        try:
            image, notes = read(data, SHAPE)
        except UploadError as error:
            assert "expected" in str(error)
        else:
            taken += 1
            assert image.shape == SHAPE and image.dtype == np.float32
            assert np.abs(image).max() <= 0.5 and notes
        slowest = max(slowest, time.process_time() - began)
    assert 0.05 < taken / count < 0.95  # both kinds were tried
    assert slowest < 2
    assert written == []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 500_000  # KB

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from vqzoo.datasets import images
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import (
    SmallImageError,
    decode,
    fit,
    to_channels,
    to_float,
)


def _pixels(data):
    return decode(data)[0]


def test_bytes_become_floats_from_minus_to_plus_one_half():
    images = to_float(np.array([0, 51, 255], np.uint8)).numpy()
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, [-0.5, -0.3, 0.5], atol=1e-7)


def test_a_color_image_keeps_its_pixels(make_pixels, encode):
    pixels = make_pixels(1)
    decoded, gray = decode(encode(pixels))
    np.testing.assert_array_equal(decoded, pixels)
    assert not gray


def test_a_gray_image_is_told_and_repeated(encode):
    decoded, gray = decode(encode(np.array([[0, 7], [100, 255]], np.uint8)))
    assert gray
    assert decoded[..., 2].tolist() == [[0, 7], [100, 255]]


def test_sixteen_bits_become_eight(encode):
    values = np.array([[0, 257], [32896, 65535]], np.uint16)
    decoded, gray = decode(encode(values))
    assert gray
    assert decoded[..., 0].tolist() == [[0, 1], [128, 255]]


@pytest.mark.parametrize("scale", [1 / 255, 1, 257])
def test_floats_become_bytes_whatever_their_range(encode, scale):
    values = np.array([[0, 51 * scale, 255 * scale]], np.float32)
    decoded, gray = decode(encode(values, "TIFF"))
    assert decoded[0, :, 0].tolist() == [0, 51, 255]
    assert gray


def test_one_bit_becomes_black_and_white(encode):
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert _pixels(encode(image))[0, :, 1].tolist() == [0, 255]


def test_alpha_is_laid_on_white(encode):
    values = np.array([[[0, 0, 200, 0], [0, 0, 200, 255], [0, 0, 0, 51]]], np.uint8)
    decoded = _pixels(encode(Image.fromarray(values, "RGBA")))
    assert decoded[0].tolist() == [[255, 255, 255], [0, 0, 200], [204, 204, 204]]


def test_gray_with_alpha_is_laid_on_white_and_stays_gray(encode):
    values = np.array([[[0, 0], [10, 255]]], np.uint8)
    decoded, gray = decode(encode(Image.fromarray(values, "LA")))
    assert decoded[0, :, 0].tolist() == [255, 10]
    assert gray


def test_a_palette_with_a_transparent_color_is_laid_on_white(encode):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    decoded, gray = decode(encode(image, transparency=1))
    assert decoded[0].tolist() == [[255, 0, 0], [255, 255, 255]]
    assert not gray


def test_other_formats_than_the_given_ones_are_unreadable(encode, make_pixels):
    data = encode(make_pixels(1), "BMP")
    assert decode(data, ["PNG", "BMP"])[0].shape == (8, 8, 3)
    with pytest.raises(UnreadableImageError, match="cannot identify"):
        decode(data, ["PNG"])


def test_cmyk_becomes_rgb(encode):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    decoded = _pixels(encode(image, "JPEG", quality=100))
    np.testing.assert_allclose(decoded[4, 4], [255, 0, 0], atol=3)


def test_the_rotation_in_exif_is_applied(make_pixels, encode):
    pixels = make_pixels(2, 4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    decoded = _pixels(encode(pixels, exif=exif))
    np.testing.assert_array_equal(decoded, np.rot90(pixels, -1))


def test_the_first_frame_of_an_animation_is_taken(encode):
    frames = [Image.new("L", (2, 2), level) for level in (40, 200)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert _pixels(data)[0, 0].tolist() == [40, 40, 40]


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_broken_files_are_unreadable(data):
    with pytest.raises(UnreadableImageError):
        decode(data)


def test_a_truncated_image_is_unreadable(make_pixels, encode):
    data = encode(make_pixels(1, 32, 32), "JPEG")
    with pytest.raises(UnreadableImageError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("limit", [63, 10])
def test_decompression_bombs_are_unreadable(monkeypatch, make_pixels, encode, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(UnreadableImageError):
        decode(encode(make_pixels(1)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "F", "LA", "RGBA", "CMYK"])
def test_an_image_that_is_converted_in_strips_is_the_same(mode, monkeypatch, encode):
    values = np.random.default_rng(0).integers(0, 256, (21, 16), np.uint8)
    image = Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 200)
    elif mode == "P":
        image = Image.merge("RGB", [image] * 3).quantize(16)
        image.info["transparency"] = 3
    else:
        image = image.convert(mode)
    data = encode(image, "TIFF" if mode in ("F", "CMYK") else "PNG")
    whole = _pixels(data)
    monkeypatch.setattr(images, "LARGE", 5 * 16)
    np.testing.assert_array_equal(_pixels(data), whole)
    assert len(np.unique(whole)) > 1


def test_a_large_image_is_decoded_in_the_memory_of_one(encode):
    side = 4000
    data = encode(Image.new("1", (side, side)))
    assert len(data) < 2**13
    tracemalloc.start()
    assert decode(data)[0].shape == (side, side, 3)
    assert tracemalloc.get_traced_memory()[1] < 3 * side**2 + 2**25
    tracemalloc.stop()
    with pytest.raises(UnreadableImageError, match="more than 33,554,432 pixels"):
        decode(encode(Image.new("1", (2**13, 2**12 + 1))))


def test_the_short_side_is_resized_and_the_center_cropped():
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 10:30] = 255
    resized = fit(pixels, 10)
    assert resized.shape == (10, 10, 3)
    assert resized[:, 2:8].min() > 250
    assert fit(pixels[:, ::-1].transpose(1, 0, 2), 10)[2:8].min() > 250


def test_resizing_keeps_a_flat_image_flat():
    assert (fit(np.full((31, 17, 1), 99, np.uint8), 12) == 99).all()


def test_small_images_are_refused_unless_they_may_be_enlarged(make_pixels):
    with pytest.raises(SmallImageError, match="20 x 10"):
        fit(make_pixels(1, 10, 20), 12)
    assert fit(make_pixels(1, 10, 20), 12, resize="upscale").shape == (12, 12, 3)


def test_padding_lays_slightly_smaller_images_on_black():
    padded = fit(np.full((28, 28, 1), 9, np.uint8), 32, border=True)
    assert padded.sum() == 9 * 28 * 28
    assert (padded[2:30, 2:30] == 9).all()
    with pytest.raises(SmallImageError):
        fit(np.full((24, 24, 1), 9, np.uint8), 32, border=True)


def test_channels_are_repeated_or_weighed():
    gray = to_channels(np.array([[255, 0, 0], [9, 9, 9]], np.uint8), 1)
    assert gray.tolist() == [[76], [9]]
    assert to_channels(gray, 3).tolist() == [[76] * 3, [9] * 3]
    with pytest.raises(ValueError, match="received channels=2"):
        to_channels(gray, 2)
    with pytest.raises(ValueError, match="expected 13 channels .* channels=3"):
        to_channels(np.zeros((2, 13), np.uint8), 3)

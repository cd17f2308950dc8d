import io

import numpy as np
import pytest
from PIL import Image

from vqzoo.measures import rate_distortion as rates


def smooth(count, side=32, channels=3):
    generator = np.random.default_rng(0)
    coarse = generator.uniform(-0.5, 0.5, (count, 4, 4, channels))
    return coarse.repeat(side // 4, axis=1).repeat(side // 4, axis=2).astype("float32")


def test_the_rates_of_even_of_equal_and_of_known_codes():
    even = np.arange(4096).reshape(64, 8, 8) % 512
    found = rates.code_rates(even, even.repeat(50, axis=0), 512, 32 * 32, 4.5)
    assert found["raw"] == 9 * 64 / 1024
    assert found["unigram"] == pytest.approx(found["raw"], rel=1e-3)
    assert found["prior"] == found["raw"] / 2
    one = np.zeros((1000, 8, 8), int)
    found = rates.code_rates(one, one, 512, 1024)
    assert set(found) == {"raw", "unigram"} and found["unigram"] < 0.002
    assert rates.code_rates(one, one, 1, 1024) == {"raw": 0, "unigram": 0}


def test_no_codes_have_no_rate():
    with pytest.raises(ValueError, match="at least one image, received 0"):
        rates.code_rates(np.zeros((0, 2, 2), int), np.zeros(3, int), 8, 64)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("file_format", rates.FORMATS)
def test_more_bits_bring_less_error(file_format, channels):
    noise = np.random.default_rng(1).normal(0, 0.05, (4, 32, 32, channels))
    images = (smooth(4, channels=channels) + noise).astype("float32")
    rows = rates.codec_curve(images, file_format, (5, 50, 95))
    for name, rising in (("bits_per_pixel", True), ("psnr", True)):
        values = [row[name] for row in rows]
        assert (sorted(values) == values) is rising
    for row in rows:
        assert 0 < row["data_bits_per_pixel"] < row["bits_per_pixel"]


def test_bits_and_error_of_a_file_are_those_of_pillow():
    images = smooth(1)
    (row,) = rates.codec_curve(images, "JPEG", (70,))
    file = io.BytesIO()
    levels = np.round((images[0] + 0.5) * 255).astype("uint8")
    Image.fromarray(levels).save(file, "JPEG", quality=70)
    assert row["bits_per_pixel"] == 8 * len(file.getvalue()) / 1024
    back = np.asarray(Image.open(file)) / 255 - 0.5
    expected = np.mean((back - images[0]) ** 2)
    assert row["mean_squared_error"] == pytest.approx(expected, rel=1e-4)


def test_the_header_of_a_jpeg_ends_where_its_scan_begins():
    # The compressed data of one more image of the same size is all that is added.
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), "uint8")).save(file, "JPEG")
    data = file.getvalue()
    overhead = rates._overhead(data, "JPEG")
    assert len(data) - overhead < 10  # one black block
    assert data[-2:] == b"\xff\xd9" and data[:2] == b"\xff\xd8"


def test_flat_images_need_next_to_nothing_beside_headers():
    flat = np.zeros((2, 64, 64, 3), "float32")
    for file_format in rates.FORMATS:
        (row,) = rates.codec_curve(flat, file_format, (50,))
        assert row["data_bits_per_pixel"] < 0.15 and row["psnr"] > 45


@pytest.mark.parametrize("call", [(smooth(1), "PNG"), (smooth(1)[:0], "JPEG")])
def test_other_formats_and_no_images_are_refused(call):
    with pytest.raises(ValueError, match="received [01] images and file_format="):
        rates.codec_curve(*call)

"""What people's folders hold beside plain images, and what is said of it."""

import io
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from vqzoo import datasets
from vqzoo.datasets.folder import load_folder


def images_of(splits):
    """All images as 8-bit levels, in the order of their means."""
    parts = (splits.train, splits.validation, splits.test)
    images = np.concatenate([part.arrays()[0] for part in parts])
    levels = np.rint((images + 0.5) * 255).astype(np.uint8)
    return levels[np.argsort(levels.mean(axis=(1, 2, 3)), kind="stable")]


def ramps(count=12):
    """Ramps of 8 x 8 that end at different values, the last at 1."""
    ends = np.linspace(0.4, 1, count)
    return [np.linspace(0, end, 64).reshape(8, 8) for end in ends]


def save_tiffs(folder, images, **options):
    folder.mkdir(exist_ok=True, parents=True)
    for number, image in enumerate(images):
        tifffile.imwrite(folder / f"{number:02}.tif", image, **options)
    return folder


def levels_of(images, low, high):
    return [np.rint((np.float64(i) - low) * 255 / (high - low)) for i in images]


def check(folder, images, low, high, **options):
    splits = load_folder(folder, **options)
    found = images_of(splits)[..., 0]
    np.testing.assert_allclose(found, levels_of(images, low, high), atol=0.5 + 1e-3)
    return splits


def test_twelve_bits_in_sixteen_have_all_their_levels(tmp_path):
    images = [np.uint16(np.rint(ramp * 4095)) for ramp in ramps()]
    splits = check(save_tiffs(tmp_path / "a", images), images, 0, 4095)
    assert splits.summary["values"] == {"12 bits": [0, 4095]}
    assert "12 bits: 0 to 4,095 became 0 to 255" in datasets.describe(splits)[2]
    wide = check(tmp_path / "a", images, -5, 8000, value_range=(-5, 8000))
    assert wide.fingerprint != splits.fingerprint
    assert wide.summary["values"] == {"ints": [-5, 8000]}


def test_values_below_zero_and_floats_of_any_range_have_one_scale(tmp_path):
    images = [np.int32(np.rint(ramp * 4000 - 1000)) for ramp in ramps()]
    check(save_tiffs(tmp_path / "ct", images), images, -1000, 3000)
    images = [np.float32(ramp * 1000) for ramp in ramps()]
    check(save_tiffs(tmp_path / "thousand", images), images, 0, 1000)


def test_no_image_has_a_scale_of_its_own(tmp_path):
    images = [np.float32(ramp * 255) for ramp in ramps()]
    images[0] = np.float32(ramps()[0] * 0.9)
    check(save_tiffs(tmp_path / "dark", images), images, 0, 255)
    images = [np.float32(ramp) for ramp in ramps()]
    images[-1] *= 1.001
    found = images_of(load_folder(save_tiffs(tmp_path / "over", images)))[..., 0]
    expected = np.clip(levels_of(images, 0, 1), 0, 255)
    np.testing.assert_allclose(found, expected, atol=0.5 + 1e-3)


def test_images_of_nan_are_left_out_and_counted(tmp_path):
    images = [np.float32(ramp) for ramp in ramps()]
    whole = load_folder(save_tiffs(tmp_path / "a", images[:10]))
    images[10][3, 3], images[11][0, 0] = np.nan, np.inf
    save_tiffs(tmp_path / "a", images)
    with pytest.warns(UserWarning, match="2 of 12 image files are not finite: 10.tif"):
        splits = load_folder(tmp_path / "a")
    assert splits.fingerprint == whole.fingerprint
    assert splits.summary["left_out"]["images not finite"]["count"] == 2


def test_bands_are_channels(tmp_path):
    bands = np.random.default_rng(0).integers(0, 4096, (12, 8, 9, 13), np.uint16)
    bands[0, 0, 0] = 4095
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    splits = load_folder(save_tiffs(tmp_path / "a", bands, **options))
    assert splits.image_shape == (8, 9, 13)
    expected = np.rint(bands * (255 / 4095)).astype(np.uint8)
    found = {image.tobytes() for image in images_of(splits)}
    assert found == {image.tobytes() for image in expected}
    assert load_folder(tmp_path / "a", image_size=4).image_shape == (4, 4, 13)
    with pytest.raises(ValueError, match="13 channels for images of 13, .*channels=3"):
        load_folder(tmp_path / "a", channels=3)
    Image.new("RGB", (9, 8)).save(tmp_path / "a" / "color.png")
    with pytest.raises(ValueError, match="same number of bands, found 13 and 3"):
        load_folder(tmp_path / "a")


def test_a_fourth_band_that_is_tagged_as_alpha_is_told_and_can_be_kept(tmp_path):
    bands = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 4), np.uint8)
    folder = save_tiffs(tmp_path / "a", bands, photometric="rgb")
    message = "of 12 files: its last band is tagged as alpha .*--frames=bands keeps"
    with pytest.warns(UserWarning, match=message):
        assert load_folder(folder).image_shape == (8, 8, 3)
    splits = load_folder(folder, frames="bands")
    found = {image.tobytes() for image in images_of(splits)}
    assert found == {image.tobytes() for image in bands}


def test_pages_that_can_be_read_in_two_ways_stop_the_load(tmp_path):
    bands = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 13), np.uint8)
    folder = save_tiffs(tmp_path / "a", bands)
    message = "found none among 00.tif .*00.tif: has 40 pages of 40 x 13 .*--frames=b"
    with pytest.raises(ValueError, match=message):
        load_folder(folder)
    assert load_folder(folder, frames="bands").image_shape == (40, 40, 13)


def test_all_frames_are_images_of_one_split(tmp_path, make_pixels):
    for number in range(12):
        frames = [Image.fromarray(make_pixels(10 * number + n)) for n in range(3)]
        frames[0].save(
            tmp_path / f"{number}.webp",
            lossless=True,
            save_all=True,
            append_images=frames[1:],
        )
    with pytest.warns(UserWarning, match="of 12 files: it is animated.*--frames=all"):
        splits = load_folder(tmp_path)
    assert splits.summary["done"] == {"it is animated: the first is taken": 12}
    splits = load_folder(tmp_path, frames="all")
    assert splits.summary["splits"] == {"train": 30, "validation": 3, "test": 3}
    frames = np.rint((splits.test.arrays()[0] + 0.5) * 255)
    numbers = [n for n in range(120) if any((make_pixels(n) == frames).all((1, 2, 3)))]
    assert len(numbers) == 3 and len({number // 10 for number in numbers}) == 1


@pytest.mark.parametrize(
    ("resize", "corner", "middle"),
    [("pad", 0, 200), ("stretch", 200, 200), ("upscale", 200, 200)],
)
def test_images_that_are_smaller_are_resized_as_asked(
    tmp_path, encode, resize, corner, middle
):
    for number in range(8):
        pixels = np.full((10, 6 + number, 3), 200, np.uint8)
        (tmp_path / f"{number}.png").write_bytes(encode(pixels))
    message = "choose a smaller --image_size, or --resize=pad, stretch or upscale"
    with pytest.raises(ValueError, match=message):
        load_folder(tmp_path, image_size=20)
    # Those of one color are the same, however large: by pad they stay different.
    for number in range(8):
        pixels = np.full((10, 6 + number, 3), 200, np.uint8)
        pixels[4:6, 2:4] = number
        (tmp_path / f"{number}.png").write_bytes(encode(pixels))
    image = images_of(load_folder(tmp_path, image_size=20, resize=resize))[0]
    assert abs(int(image[0, 0, 0]) - corner) < 3
    assert abs(int(np.median(image[8:12, 8:12])) - middle) < 203


def test_padding_keeps_small_images_as_they_are(tmp_path, make_pixels, encode):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encode(make_pixels(number, 4, 6)))
    found = images_of(load_folder(tmp_path, image_size=8, resize="pad"))
    assert {image[2:6, 1:7].tobytes() for image in found} == {
        make_pixels(number, 4, 6).tobytes() for number in range(10)
    }
    assert found[:, :2].max() == found[:, :, 7].max() == 0


def test_links_to_class_folders_are_followed_within_the_data(image_folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path in sorted((image_folder / "dogs").iterdir())[:10]:
        os.rename(path, tmp_path / "elsewhere" / path.name)
    (image_folder / "store").mkdir()
    os.rename(image_folder / "cats", image_folder / "store" / "felines")
    (image_folder / "cats").symlink_to(image_folder / "store" / "felines")
    (image_folder / "birds").symlink_to(tmp_path / "elsewhere")
    (image_folder / "dogs" / "loop").symlink_to(image_folder)
    with pytest.warns(UserWarning) as caught:
        splits = load_folder(image_folder, class_level=1)
    messages = sorted(str(warning.message) for warning in caught)
    assert messages == [
        "left out 1 links to folders around them, such as dogs/loop",
        "left out 1 links to folders elsewhere, such as birds",
    ]
    assert splits.summary["classes"] == {"cats": 50, "dogs": 40, "store": 50}


def test_suffixes_of_the_named_formats_are_read_and_others_counted(tmp_path, encode):
    rng = np.random.default_rng(0)
    for number, (suffix, kind) in enumerate(
        [("jfif", "JPEG"), ("jpe", "JPEG"), ("JPG", "JPEG"), ("avif", "AVIF")] * 3
    ):
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        (tmp_path / f"{number}.{suffix}").write_bytes(encode(pixels, kind))
    (tmp_path / "a.heic").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        with pytest.warns(UserWarning, match="1 HEIC files, which .*heif.* a.heic"):
            splits = load_folder(tmp_path)
        left_out = splits.summary["left_out"]
        assert left_out["HEIC files, which pip install vqzoo[heif] reads"]
        assert left_out["files of .txt, which are not read"]["examples"] == [
            "notes.txt"
        ]
        assert splits.summary["images"] == 12 and splits.summary["files"] == 14


def test_one_damaged_file_does_not_stop_a_small_set(tmp_path, make_pixels, encode):
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(encode(make_pixels(number)))
    whole = load_folder(tmp_path)
    damaged = bytearray(encode(make_pixels(1, 32, 32), "AVIF"))
    damaged[47] ^= 0xFF
    (tmp_path / "damaged.avif").write_bytes(damaged)
    with pytest.warns(UserWarning, match="1 of 13 .* unreadable: damaged.avif: "):
        assert load_folder(tmp_path).fingerprint == whole.fingerprint
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(ValueError, match="at most 1% unreadable files, 2 of 13|14"):
        load_folder(tmp_path)


def test_classes_that_are_numbers_are_in_their_order(tmp_path, make_pixels, encode):
    for number in range(36):
        path = tmp_path / ("1", "2", "10")[number % 3] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(make_pixels(number)))
    splits = load_folder(tmp_path)
    assert splits.class_names == ("1", "2", "10")
    assert "3 classes: 0 1 12, 1 2 12, 2 10 12" in datasets.describe(splits)[1]
    assert load_folder(tmp_path, classes=("10", "2")).class_names == ("2", "10")


def test_members_that_lead_out_of_an_archive_are_no_class(tmp_path, image_folder):
    import zipfile

    whole = load_folder(image_folder)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted(image_folder.glob("*/*")):
            archive.write(path, path.relative_to(image_folder))
        for name in ("../../../outside/x.png", "/outside/y.png"):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    with pytest.warns(UserWarning, match="left out 2 members whose names lead out"):
        splits = load_folder(tmp_path / "a.zip")
    assert splits.fingerprint == whole.fingerprint
    assert splits.class_names == ("cats", "dogs")


def test_the_summary_speaks_in_two_to_six_lines(image_folder):
    lines = datasets.describe(load_folder(image_folder))
    assert lines == [
        f"Data: 100 files in {image_folder}, 100 images",
        "Splits: train 80, validation 10, test 10; 2 classes: 0 cats 50, 1 dogs 50 "
        "(class)",
        "Images: 8 x 8 x 3 (height x width x channels); from 8 x 8",
    ]
    (image_folder / "cats" / "broken.png").write_bytes(b"broken")
    animation = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:])
    (image_folder / "cats" / "moving.gif").write_bytes(animation.getvalue())
    with pytest.warns(UserWarning) as caught:
        splits = load_folder(image_folder)
    assert len(caught) == 2
    assert datasets.describe(splits)[1].startswith(
        "Left out: 1 images unreadable (cats/broken.png: cannot identify it as one of"
    )
    assert datasets.describe(splits)[-1] == (
        "On the way: it is animated: the first is taken: 1"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "grow"}, "--resize to be one of crop, pad, .*received 'grow'"),
        ({"frames": "last"}, "--frames to be one of first, all, bands, .*'last'"),
        ({"value_range": (1, 0)}, r"--value_range=LOW,HIGH, .*received \(1, 0\)"),
        ({"value_range": (1,)}, "--value_range=LOW,HIGH"),
    ],
)
def test_impossible_ways_to_read_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("folder", data_dir=tmp_path, **options)
    with pytest.raises(ValueError, match="is not used by --dataset=photos, received"):
        datasets.load("photos", **options)

import numpy as np
import pytest
from PIL import Image

from vqzoo.app import gallery, picker, uploads
from vqzoo.datasets import photos

SHAPE = (32, 32, 3)


def test_the_samples_are_whole_photographs_and_the_counted_are_crops():
    found = gallery.load(SHAPE)
    names = list(photos.photographs())
    assert set(found.samples) == set(names)
    assert list(found.samples)[:2] == ["astronaut", "cat"]  # codes that show something
    cat = uploads.to_shape(photos.photographs()["cat"], SHAPE)
    assert np.array_equal(found.samples["cat"], cat)
    expected, _ = photos.load_photos(32).test.arrays(512)
    counted, words = found.counted()
    assert np.array_equal(counted, expected)
    assert words == f"{len(expected)} crops of photographs"


@pytest.mark.parametrize("shape", [(256, 256, 3), (16, 32, 1)])
def test_where_crops_do_not_fit_the_wholes_are_counted(shape):
    counted, words = gallery.load(shape).counted()
    assert counted.shape == (7, *shape) and words == "7 photographs"


@pytest.fixture
def folder(tmp_path):
    for number in range(40):
        path = tmp_path / ("ants", "bees")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 32), (number, 0, 0)).save(path)
    return tmp_path


def test_a_data_set_gives_its_test_images_with_their_classes(folder):
    found = gallery.load(SHAPE, "folder", folder)
    assert 0 < len(found.samples) <= 24
    assert {name.split()[0] for name in found.samples} <= {"ants", "bees"}
    counted, words = found.counted()
    assert counted.shape[1:] == SHAPE
    assert words == f"{len(counted)} test images of folder"


def test_a_data_set_may_show_some_of_its_classes(folder):
    found = gallery.load(SHAPE, "folder", folder, ("bees",))
    assert {name.split()[0] for name in found.samples} == {"bees"}


def test_a_data_set_is_square(folder):
    with pytest.raises(ValueError, match="images that are not square"):
        gallery.load((16, 32, 3), "folder", folder)


def test_a_chosen_sample_takes_its_place(images_of):
    before = images_of(SHAPE)
    samples = {"dark": np.full(SHAPE, -0.5, "float32")}
    after, note = picker.choose(samples, before, 1, "dark")
    assert after[1].max() == -0.5 and note == ""
    assert np.array_equal(after[0], before[0]) and before[1].max() > 0
    same, note = picker.choose(samples, before, 1, "light")
    assert same is before and "'light'" in note


def test_an_upload_takes_its_place_and_says_what_was_done(images_of, to_file):
    before = images_of(SHAPE)
    data = to_file(np.full((64, 80, 3), 255, np.uint8))
    after, note, is_taken = picker.upload(before, 0, data)
    assert is_taken and after[0].min() == 0.5
    assert np.array_equal(after[1], before[1])
    assert note.startswith("Uploaded: 80 x 64 pixels, cropped to the center")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"text", "**Not taken:** expected an image"), (None, "You have not uploaded")],
)
def test_what_is_no_image_leaves_the_images_as_they_were(images_of, data, reason):
    before = images_of(SHAPE)
    after, note, is_taken = picker.upload(before, 0, data)
    assert after is before and not is_taken and note.startswith(reason)

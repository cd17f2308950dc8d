import numpy as np
import pytest
from matplotlib.figure import Figure

from vqzoo.app import pictures


def test_images_become_levels_and_gray_becomes_color():
    image = np.array([[[-0.5], [0.0]], [[0.5], [7.0]]])
    found = pictures.to_bytes(image)
    assert found.dtype == np.uint8
    assert found[..., 0].tolist() == [[0, 128], [255, 255]]
    assert np.array_equal(found[..., 0], found[..., 2])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8, 8), (256, 256)), ((3, 6), (258, 516)), ((300, 400),) * 2],
)
def test_small_images_are_enlarged_in_whole_squares(shape, expected):
    pixels = np.arange(np.prod(shape)).reshape(*shape, 1)
    found = pictures.enlarge(pixels)
    assert found.shape == (*expected, 1)
    factor = expected[0] // shape[0]
    assert np.array_equal(found[::factor, ::factor], pixels)


def test_the_error_map_is_white_where_the_error_is_largest():
    image, rebuilt = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    rebuilt[0, 1] = 51 / 255
    rebuilt[1, 0] = [-25.5 / 255, 0, -51 / 255]
    pixels, white = pictures.error_map(image, rebuilt)
    assert white == pytest.approx(51)
    assert pixels[..., 0].tolist() == [[0, 255], [128, 0]]


def test_no_error_is_black_and_not_noise():
    image = np.full((2, 2, 1), 0.25)
    pixels, white = pictures.error_map(image, image + 1e-9)
    assert (pixels.max(), white) == (0, 1)


def test_a_map_is_black_to_white_with_a_frame_around_one_square():
    codes = np.array([[0, 5], [10, 2]])
    found = pictures.code_map(codes, 11, (1, 0))
    assert found.shape == (*pictures.code_map_shape((2, 2)), 3) == (384, 384, 3)
    centers = found[96::192, 96::192]
    assert centers[..., 0].tolist() == [[0, 128], [255, 51]]
    assert found[192, 0].tolist() == pictures.MARK.tolist()
    assert found[0, 0].tolist() == [0, 0, 0]
    marked = (found == pictures.MARK).all(axis=-1)
    assert marked[192:, :192].any() and not marked[:192].any()


def test_a_codebook_of_one_code_has_a_map():
    assert pictures.code_map(np.zeros((3, 2), int), 1).max() == 0


def test_a_square_smaller_than_its_frame_is_all_frame():
    pixels = np.zeros((4, 4, 3), np.uint8)
    pictures.frame(pixels, 1, 1, 2, 2)
    marked = (pixels == pictures.MARK).all(axis=-1)
    assert marked[2:, 2:].all() and marked.sum() == 4


def test_a_sheet_has_every_image_at_its_place():
    images = np.stack([np.full((4, 6, 3), level) for level in (-0.5, -0.1, 0.3)])
    found = pictures.sheet(images, 2, least_side=1)
    assert found.shape == (9, 13, 3)
    levels = [found[2, 2, 0], found[2, 9, 0], found[7, 2, 0]]
    assert levels == [0, 102, 204]
    assert found[4].min() == found[:, 6].min() == 255  # the gaps
    assert found[7, 9].tolist() == [255, 255, 255]  # no fourth image


def test_a_figure_becomes_pixels():
    figure = Figure((2, 1), 50)
    figure.add_axes((0, 0, 1, 1)).plot([0, 1], [0, 1], color="black")
    found = pictures.to_pixels(figure)
    assert (found.shape, found.dtype) == ((50, 100, 3), np.uint8)
    assert found.min() < 50 and found[10, 20].min() > 200

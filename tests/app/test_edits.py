import numpy as np
import pytest

from vqzoo.app import edits, pictures
from vqzoo.app.edits import Place


@pytest.fixture
def begun(two_tiers, images_of):
    return edits.begin(two_tiers, images_of(two_tiers.image_shape))


def place_of(explored, tier=1, image=0, row=2, column=3):
    code_map = explored.maps[tier]
    return Place(image=image, code_map=code_map, row=row, column=column)


def changed(edited):
    """For each tier where codes differ from those of the model, as lists."""
    return [
        np.argwhere(now != before).tolist()
        for now, before in zip(edited.now, edited.before)
    ]


def other_code(edited, place):
    code = edited.now[place.code_map.tier][place.index]
    return int(code + 1) % place.code_map.num_embeddings


def test_one_code_changes_and_the_model_s_stay(two_tiers, begun):
    place = place_of(two_tiers)
    code = other_code(begun, place)
    edited = edits.set_code(begun, place, code)
    assert changed(edited) == [[], [[0, 2, 3, 0]]]
    assert edited.now[1][0, 2, 3, 0] == code
    assert changed(begun) == [[], []]
    assert changed(edits.reset(edited)) == [[], []]


def test_the_second_code_of_a_latent_changes_alone(two_codes, images_of):
    begun = edits.begin(two_codes, images_of(two_codes.image_shape))
    place = Place(image=1, code_map=two_codes.maps[1], row=0, column=1)
    edited = edits.set_code(begun, place, other_code(begun, place))
    assert changed(edited) == [[[1, 0, 1, 1]]]


@pytest.mark.parametrize("code", [-1, 16])
def test_an_index_that_the_codebook_lacks_is_refused(two_tiers, begun, code):
    with pytest.raises(ValueError, match=rf"in \[0, 16\), received {code}"):
        edits.set_code(begun, place_of(two_tiers), code)


@pytest.mark.parametrize("at", [{"row": 4}, {"column": -1}])
def test_a_place_beside_the_grid_is_refused(two_tiers, at):
    with pytest.raises(ValueError, match="grid of 4 x 4"):
        place_of(two_tiers, **at)


def test_noise_moves_a_share_of_one_map_by_the_distance(two_tiers, begun):
    place = place_of(two_tiers, image=1)
    edited = edits.perturb_map(begun, place, 1.0, 2, seed=0)
    moved = np.abs(edited.now[1] - edited.before[1])
    assert moved[1].ravel().tolist() == [2] * 16 and moved[0].max() == 0
    assert np.array_equal(edited.now[0], begun.now[0])
    other = edits.perturb_map(begun, place, 0.5, 2, seed=1)
    assert 0 < len(changed(other)[1]) < 16
    assert changed(edits.perturb_map(begun, place, 0.0, 2, seed=1)) == [[], []]


def test_swapping_a_tier_twice_changes_nothing(two_tiers, begun):
    once = edits.swap(begun, 0)
    assert np.array_equal(once.now[0], begun.now[0][::-1])
    assert np.array_equal(once.now[1], begun.now[1])
    assert changed(once)[0] != []
    assert changed(edits.swap(once, 0)) == [[], []]


@pytest.mark.parametrize("grid", [(2, 2), (4, 8), (64, 64)])
def test_a_click_finds_the_square_that_is_drawn_there(grid):
    height, width = pictures.code_map_shape(grid)
    for place in ((0, 0), (grid[0] - 1, 0), (grid[0] // 2, grid[1] - 1)):
        codes = np.zeros(grid, int)
        codes[place] = 1
        white = np.argwhere(pictures.code_map(codes, 2)[..., 0] == 255)
        for y, x in (white[0], white[-1]):
            assert edits.square_at(x, y, grid) == place
    assert edits.square_at(width, height, grid) == (grid[0] - 1, grid[1] - 1)


def test_an_edit_changes_the_picture_of_its_image_alone(two_tiers, begun):
    place = place_of(two_tiers)
    before = edits.look(two_tiers, begun, place, [0, 1])
    assert before[3].endswith(f"index **{begun.now[1][place.index]}**.")
    edited = edits.set_code(begun, place, other_code(begun, place))
    code_map, first, second, text = edits.look(two_tiers, edited, place, [0, 1])
    assert not np.array_equal(code_map, before[0])
    assert not np.array_equal(first, before[1])
    assert np.array_equal(second, before[2])
    assert "First image: 1 of 20 codes changed, PSNR " in text
    assert "(was" in text and "Second image:" not in text


def test_a_code_that_the_decoder_does_not_see_changes_no_image(two_tiers, begun):
    place = place_of(two_tiers)
    edited = edits.set_code(begun, place, other_code(begun, place))
    _, first, _, text = edits.look(two_tiers, edited, place, [0])
    _, before, _, _ = edits.look(two_tiers, begun, place, [0])
    assert np.array_equal(first, before)
    assert "the image is the same" in text


def test_without_tiers_the_tab_says_so(two_tiers, begun):
    code_map, first, second, text = edits.look(
        two_tiers, begun, place_of(two_tiers), []
    )
    assert code_map.max() > 0 and first is second is None
    assert "All tiers are off" in text

import types

import numpy as np
import pytest

from vqzoo.app import codebook, patches, pictures
from vqzoo.app.codebook import Counted


def counted_in(explored, images_of, count):
    images = images_of(explored.image_shape, count)
    return Counted(explored, lambda: (images, f"{count} images"))


@pytest.fixture(scope="module")
def counted(two_tiers, images_of):
    return counted_in(two_tiers, images_of, 12)


def test_codes_are_counted_in_the_images(two_tiers, counted, images_of):
    codes = two_tiers.encode(images_of(two_tiers.image_shape, 12))
    for code_map, of_tier in zip(two_tiers.maps, codes):
        counts = counted.counts(code_map)
        assert counts.sum() == of_tier.size
        assert [
            int(np.sum(of_tier == k)) for k in range(len(counts))
        ] == counts.tolist()


def test_images_are_loaded_when_asked_for_and_once(two_tiers, images_of):
    asked = []

    def load():
        asked.append(1)
        return images_of(two_tiers.image_shape), "2 images"

    counted = Counted(two_tiers, load)
    assert asked == []
    assert counted.words == "2 images" and len(counted.images) == 2
    assert counted.counts(two_tiers.maps[0]).sum() == 8
    assert asked == [1]


def test_a_patch_is_the_middle_of_an_image_of_one_code(two_tiers):
    code_map = two_tiers.maps[1]
    found = patches.paint(two_tiers, code_map, [3, 9])
    assert found.shape == (2, 8, 8, 3)
    codes = np.full((1, 4, 4), 9)
    expected = np.clip(np.asarray(two_tiers.model.decode((None, codes))), -0.5, 0.5)
    np.testing.assert_allclose(found[1], expected[0, 4:12, 4:12], atol=1e-5)


def test_one_of_several_codes_has_no_patch(two_codes):
    with pytest.raises(ValueError, match="several codes"):
        patches.paint(two_codes, two_codes.maps[0], [0])


@pytest.mark.parametrize(
    ("shape", "size", "code", "expected"),
    [
        ((32, 32, 3), 512, 511, range(0, 512)),
        ((64, 64, 3), 512, 200, range(128, 256)),
        ((256, 256, 3), 512, 511, range(448, 512)),
        ((32, 32, 3), 1000, 999, range(512, 1000)),
        ((8, 8, 1), 5, 4, range(0, 5)),
    ],
)
def test_a_sheet_has_as_many_codes_as_decode_fast(shape, size, code, expected):
    explored = types.SimpleNamespace(image_shape=shape)
    code_map = types.SimpleNamespace(num_embeddings=size)
    assert patches.page_of(explored, code_map, code) == expected


def test_a_click_on_a_sheet_finds_the_patch_that_is_framed_there():
    explored = types.SimpleNamespace(image_shape=(32, 32, 3))
    code_map = types.SimpleNamespace(num_embeddings=100, grid=(8, 8))
    side = patches.patch_side(explored, code_map)
    painted = np.zeros((100, side, side, 3))
    for code in (0, 31, 32, 99):
        page = patches.sheet(painted, code)
        framed = np.argwhere((page == pictures.MARK).all(axis=-1))
        for y, x in (framed[0], framed[-1]):
            assert patches.code_at(explored, code_map, 0, x, y) == code
    beyond = page.shape[1] - 1, page.shape[0] - 1
    assert patches.code_at(explored, code_map, 0, *beyond) == 99


def test_the_places_of_a_code_are_parts_of_other_images_each(two_tiers, counted):
    code_map = two_tiers.maps[1]
    code = int(np.argmax(counted.counts(code_map)))
    found = codebook.places(counted, code_map, code)
    codes = counted.codes(code_map)
    having = [i for i, grid in enumerate(codes) if (grid == code).any()][:8]
    assert len(found) == len(having) > 0
    first = np.argwhere(codes[having[0]] == code)[0]
    top, left = (min(max(4 * at + 2 - 6, 0), 16 - 12) for at in first)
    image = counted.images[having[0]]
    assert np.array_equal(found[0], image[top : top + 12, left : left + 12])


def test_a_code_that_is_nowhere_is_said_to_be(two_tiers, images_of):
    counted = counted_in(two_tiers, images_of, 1)
    code_map = two_tiers.maps[0]
    unused = int(np.argmin(counted.counts(code_map)))
    *_, where, note = codebook.look(two_tiers, counted, code_map, unused)
    assert where is None
    assert f"Code {unused} is not used in 1 images." in note


def test_the_tab_opens_at_the_code_that_images_use_most(two_tiers, counted):
    for code_map in two_tiers.maps:
        counts = counted.counts(code_map)
        assert counts[codebook.most_used(counted, code_map)] == counts.max()


def test_all_pictures_of_a_codebook_are_there(two_tiers, counted):
    code_map = two_tiers.maps[1]
    code = int(np.argmax(counted.counts(code_map)))
    *shown, note = codebook.look(two_tiers, counted, code_map, code)
    axes, usage, text, sheet, patch, where = shown
    for picture in (axes, usage, sheet, patch, where):
        assert picture.dtype == np.uint8 and np.ptp(picture) > 0
    red = (axes[..., 0] > 200) & (axes[..., 1] < 60)
    assert red.any()  # the ring around the code
    assert f"**Code {code}** is used at {counted.counts(code_map)[code]}" in text
    assert "codes 0 to 15 paint" in note


def test_the_nearest_codes_are_named(two_tiers, counted):
    code_map = two_tiers.maps[0]
    vectors = two_tiers.codebook(code_map)
    distances = np.linalg.norm(vectors - vectors[2], axis=1)
    nearest = [k for k in np.argsort(distances) if k != 2][:5]
    text = codebook.describe(two_tiers, counted, code_map, 2)
    assert f"nearest code vectors: {', '.join(map(str, nearest))}." in text


def test_several_codes_show_their_codebooks_and_say_why_no_patch(two_codes, images_of):
    counted = counted_in(two_codes, images_of, 4)
    axes, usage, _, sheet, patch, _, note = codebook.look(
        two_codes, counted, two_codes.maps[1], 0
    )
    assert axes is not None and usage is not None and sheet is patch is None
    assert note.startswith("A single code paints nothing here")


def test_a_codebook_too_large_to_draw_is_not_drawn(two_tiers, counted):
    code_map = types.SimpleNamespace(num_embeddings=2**19)
    *shown, _ = codebook.look(two_tiers, counted, code_map, 0)
    assert shown.pop(2) == "This codebook has 524,288 codes; up to 262,144 are drawn."
    assert shown == [None] * 5
    assert codebook.most_used(counted, code_map) == 0

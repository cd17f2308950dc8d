import types

import numpy as np
import pytest

from vqzoo.app.codes import _Answers

FIRST, SECOND = 0, 1
TOP, BOTTOM = 0, 1
ALL = [0, 1]


@pytest.fixture
def answers(two_tiers):
    """What the tab answers; an update of a component is a dict."""
    return _Answers(types.SimpleNamespace(update=dict), two_tiers)


@pytest.fixture
def begun(answers, two_tiers, images_of):
    images = images_of(two_tiers.image_shape)
    return answers.start(images, ALL, FIRST, BOTTOM, 0, 0)[0]


def test_a_chosen_square_gives_its_index_and_the_ranges_of_its_map(answers, begun):
    row, column, code, *pictures, text = answers.show(begun, ALL, SECOND, BOTTOM, 3, 1)
    assert (row, column) == ({"value": 3, "maximum": 3}, {"value": 1, "maximum": 3})
    assert code == {"value": begun.now[1][1, 3, 1, 0], "maximum": 15}
    assert len(pictures) == 3 and text.startswith("**Second image, bottom**")


@pytest.mark.parametrize("at", [(3, 3), (99, -4), (None, None)])
def test_a_place_beside_the_map_becomes_the_nearest_on_it(answers, begun, at):
    row, column, *_ = answers.show(begun, ALL, FIRST, TOP, *at)
    expected = [min(max(x or 0, 0), 1) for x in at]
    assert [row["value"], column["value"]] == expected


def test_a_click_chooses_a_square(answers, begun):
    row, column, *_ = answers.click((380, 100), begun, ALL, FIRST, BOTTOM)
    assert (row["value"], column["value"]) == (1, 3)


def test_the_slider_changes_the_index_and_is_not_moved(answers, begun):
    edited, *seen = answers.change(begun, 7, ALL, FIRST, BOTTOM, 1, 2)
    assert edited.now[1][0, 1, 2, 0] == 7
    assert len(seen) == 4


def test_noise_is_another_each_time_and_can_be_undone(answers, begun):
    chosen = (FIRST, BOTTOM, 0, 0)
    seed, once, *_ = answers.add_noise(begun, 0, 50, 3, ALL, *chosen)
    seed, twice, *_ = answers.add_noise(begun, seed, 50, 3, ALL, *chosen)
    assert seed == 2
    assert not np.array_equal(once.now[1], twice.now[1])
    undone, *_ = answers.reset(twice, ALL, *chosen)
    assert np.array_equal(undone.now[1], begun.now[1])


def test_the_chosen_tier_is_swapped(answers, begun):
    edited, *_ = answers.swap(begun, ALL, FIRST, TOP, 0, 0)
    assert np.array_equal(edited.now[0], begun.now[0][::-1])
    assert np.array_equal(edited.now[1], begun.now[1])

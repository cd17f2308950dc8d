import types
from unittest import mock

import numpy as np
import pytest

from tests.helpers import worlds
from vqzoo.app import dream, loading, page, widgets
from vqzoo.app.explored import Explored
from vqzoo.world.actions import Actions

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def world():
    """A world whose real game is nowhere."""
    small = worlds.small()
    small.environment = "Nowhere-v0"
    return small


@pytest.fixture(scope="module")
def code_map(world):
    return Explored(world.model).maps[0]


class Game:
    """A game that ends with its second action."""

    def __init__(self, name, **options):
        self.steps = 0

    def reset(self, seed):
        return np.full((16, 16, 3), seed, "uint8")

    def step(self, action):
        self.steps += 1
        return np.full((16, 16, 3), self.steps, "uint8"), 2.0, self.steps == 2, False


def test_the_game_does_what_the_dream_does_until_it_is_over(world, monkeypatch):
    monkeypatch.setattr(dream, "PixelEnvironment", Game)
    played = dream.Played(world, seed=9)
    shown = world.decode(world.encode(np.full((1, 16, 16, 3), 9, "uint8")))[0]
    np.testing.assert_array_equal(played.dreamed, shown)
    assert played.real[0, 0, 0] == 9
    for _ in range(3):
        played.act(1)
    assert (played.game.steps, played.rewards["game"]) == (2, 4.0)
    assert "**3** actions" in played.describe() and "4**, over" in played.describe()


def test_two_visitors_dream_apart(world, code_map):
    one, other = dream.Played(world, seed=0), dream.Played(world, seed=0)
    before = other.codes(code_map).copy()
    one.act(0)
    one.change(code_map, 1, 2, 7)
    assert one.codes(code_map)[1, 2] == 7
    np.testing.assert_array_equal(other.codes(code_map), before)
    assert "no real game" in one.describe()


def test_a_changed_code_stays_where_it_was_put(world, code_map):
    played = dream.Played(world, seed=1)
    before = played.codes(code_map).copy()
    played.change(code_map, 0, 3, (before[0, 3] + 1) % 8)
    assert np.argwhere(played.codes(code_map) != before).tolist() == [[0, 3]]
    pictures = dream.look(played, code_map, (0, 3))
    assert pictures[1] is None and pictures[2].shape == (384, 384, 3)
    for place, words in (((4, 0, 0), "on the grid"), ((0, 0, 8), r"\[0, 8\)")):
        with pytest.raises(ValueError, match=words):
            played.change(code_map, *place)


def test_every_action_has_a_key_of_its_own():
    pong = Actions(6, names=("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"))
    keys = [key for key, _ in dream.keys_of(pong)]
    assert keys == ["Enter", "Space", "ArrowRight", "ArrowLeft", "1", "2"]
    assert len({key for key, _ in dream.keys_of(Actions(18))}) == 18


@pytest.mark.parametrize(
    ("actions", "labels"),
    [(None, ["0 (1)", "1 (2)", "2 (3)"]), (worlds.NUMBERS, ["Do it (enter)"])],
)
def test_the_tab_has_a_button_for_what_can_be_done(actions, labels):
    world = worlds.small(actions=actions)
    for loaded in (world, types.SimpleNamespace(model=world.model)):
        gr = mock.MagicMock()
        parts = {"gr": gr, "tab": gr.Tab(), "loaded": loaded, "folder": ""}
        parts |= {"explored": Explored(world.model), "counted": None}
        dream.build(widgets.Page(images=None, quiet=widgets.QUIET, **parts))
        made = [call.args[0] for call in gr.Button.call_args_list]
        if loaded is world:
            assert made[2:] == labels
        else:
            assert made == [] and "no memory" in gr.Markdown.call_args.args[0]


def test_a_world_without_codes_has_the_dream_alone(tmp_path):
    small = worlds.small("mdn_rnn", worlds.NUMBERS)
    small.environment = "Nowhere-v0"
    small.save(tmp_path)
    loaded, gr = loading.load(str(tmp_path), ""), mock.MagicMock()
    page.build(gr, loaded, None, str(tmp_path))
    assert [call.args for call in gr.Tab.call_args_list] == [("Dream",)]
    assert gr.Dropdown.call_count == 0 and gr.Button.call_count == 2
    played = dream.Played(loaded, seed=3)
    played.act(np.array([0.5, 0.5], "float32"))
    pictures = dream.look(played, None)
    assert pictures[0].shape[2] == 3 and pictures[2] is None

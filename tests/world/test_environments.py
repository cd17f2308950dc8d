import sys

import numpy as np
import pytest

from tests.helpers import games
from vqzoo.world import atari_states, extras
from vqzoo.world.actions import Actions
from vqzoo.world.environments import PixelEnvironment

pytestmark = pytest.mark.once


def test_frames_are_averages_and_rewards_are_summed():
    game = PixelEnvironment(games.NAME, frame_size=8, action_repeat=7)
    frame = game.reset(seed=0)
    assert frame.shape == game.frame_shape == (8, 8, 3)
    column = int(np.argmax(frame[0, :, 1]))  # a ball of 2 x 4 pixels is one of 1 x 2
    assert frame[0, column : column + 2].tolist() == [[255] * 3] * 2
    _, reward, terminated, truncated = game.step(1)
    assert (abs(reward), terminated, truncated) == (1.0, True, False)


def test_an_episode_is_cut_off_after_its_steps():
    game = PixelEnvironment(games.NAME, frame_size=16, max_steps=2)
    game.reset(seed=0)
    assert game.step(0)[2:] == (False, False)
    assert game.step(0)[2:] == (False, True)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (games.NAME, {"options": {"kind": "dict"}}, "dict of image"),
        (games.NAME, {"options": {"kind": "vector"}}, "is an image of uint8"),
        (games.NAME, {"options": {"actions": "mixed"}}, "not a mixture.*Tuple"),
        (games.NAME, {"options": {"actions": "unbounded"}}, "bounded real numbers"),
        (games.NAME, {"options": {"other": 1}}, "unexpected keyword argument 'other'"),
        (games.NAME, {"frame_size": 1}, "frame_size of at least 8"),
        ("Nothing-v0", {}, "environment of gymnasium, received 'Nothing-v0'"),
        ("no.such.module:Game-v0", {}, "No module named 'no'"),
    ],
)
def test_what_is_no_game_of_pixels_is_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        PixelEnvironment(name, **options)


def test_an_action_outside_of_the_space_is_refused():
    game = PixelEnvironment(games.NAME)
    game.reset(seed=0)
    for action in (3, -1, 0.5, [1.0, 0.0]):
        with pytest.raises(ValueError, match="ints from 0 to 2"):
            game.step(action)
    game = PixelEnvironment(games.NAME, options={"actions": "continuous"})
    game.reset(seed=0)
    for action in ([2.0, 0.0], [0.0], 1, [float("nan"), 0.0]):
        with pytest.raises(ValueError, match="2 numbers from"):
            game.step(action)
    assert game.step([1.0, -1.0])[2:] == (False, False)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(extras.MissingExtra, match=r"needs ale_py: .*vqzoo\[world\]"):
        PixelEnvironment("ALE/Pong-v5")


def test_actions_as_a_network_takes_them():
    assert Actions(3).encode([[2], [0]]).tolist() == [[[0, 0, 1]], [[1, 0, 0]]]
    numbers = Actions(low=(-1, 0), high=(1, 1))
    assert numbers.encode([[0.0, 0.0], [1.0, 1.0]]).tolist() == [[0, -1], [1, 1]]
    assert Actions(**numbers.as_json()) == numbers
    assert numbers.space().shape == (2,) and Actions(3).space().n == 3
    with pytest.raises(ValueError, match="a count of actions, or low and high"):
        Actions()


def test_the_ram_of_pong_is_read_at_the_places_of_the_benchmark():
    assert len(atari_states.RAM) == 24
    assert atari_states.addresses("ALE/Pong-v5")["ball_x"] == 49
    assert atari_states.addresses("ALE/MsPacman-v5")["fruit_y"] == 17
    rows = atari_states.addresses("ALE/Asteroids-v5")
    assert (rows["enemy_asteroids_y_7"], rows["enemy_asteroids_x_14"]) == (12, 37)
    assert atari_states.addresses("ALE/Galaxian-v5") == {}
    pytest.importorskip("ale_py")
    game = PixelEnvironment("ALE/Pong-v5", max_steps=3)
    game.reset(seed=1)
    state = dict(zip(game.state_names, game.state()))
    assert (state["player_x"], state["enemy_x"]) == (188, 64)

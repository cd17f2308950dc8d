import functools

import numpy as np
import pytest

import vqzoo
from tests.helpers import games, worlds
from vqzoo.datasets import experience
from vqzoo.runs import files
from vqzoo.world import collecting, controllers, policies
from vqzoo.world.actions import Actions

pytestmark = pytest.mark.once


def test_experience_is_the_same_from_one_process_or_two_or_after_a_kill(tmp_path):
    whole = collecting.collect(
        tmp_path / "one", games.NAME, episodes=5, seed=3, frame_size=16
    )
    told = []
    folder = tmp_path / "two"
    shared = collecting.collect(
        folder,
        games.NAME,
        episodes=5,
        seed=3,
        frame_size=16,
        processes=2,
        progress=told.append,
    )
    assert shared.fingerprint == whole.fingerprint and sorted(told) == list(range(5))
    left = folder / experience.EPISODES
    (left / "000002.npy").rename(left / ".000002.1234.npy")  # half written, killed
    (folder / experience.CARD).unlink()
    resumed = collecting.collect(folder, games.NAME, episodes=5, seed=3, frame_size=16)
    assert resumed.fingerprint == whole.fingerprint
    assert len(list(left.iterdir())) == 5
    assert whole.card["actions"] == {"count": 3}
    first = whole.all[0]
    assert len(first) == 7 and first.terminated[-1]
    assert abs(whole.card["episodes"][0]["score"]) == 1
    assert len({each.frames[0].tobytes() for each in whole.all}) > 1


def test_episodes_of_two_games_do_not_share_a_folder(tmp_path):
    def collect(**changes):
        given = {"episodes": 3, "frame_size": 16, **changes}
        return collecting.collect(tmp_path, games.NAME, **given)

    kept = collect().card
    for changes, words in (
        ({"seed": 1}, "seed=0, not 1"),
        ({"frame_size": 8}, "'frame_size': 16.*'frame_size': 8"),
        ({"policy": "sticky"}, "policy='random', not 'sticky'.*another folder"),
    ):
        with pytest.raises(ValueError, match=words):
            collect(**changes)
    assert collect(episodes=4).card["episodes"][:3] == kept["episodes"]


def test_a_policy_of_ones_own_plays(tmp_path):
    class Still(policies.Policy):
        def __init__(self, actions):
            pass

        def act(self, frame):
            assert frame.dtype == "uint8"
            return 1

    played = collecting.collect(
        tmp_path, games.NAME, episodes=3, policy=Still, frame_size=16
    )
    assert {int(a) for each in played.all for a in each.actions} == {1}
    Still.__module__ = "__main__"
    with pytest.raises(ValueError, match="processes=2 import.*of __main__: move it"):
        collecting.collect(
            tmp_path, games.NAME, episodes=9, policy=Still, processes=2, frame_size=16
        )
    with pytest.raises(ValueError, match="policy of random, sticky, received 'best'"):
        collecting.collect(tmp_path / "x", games.NAME, episodes=3, policy="best")


def test_new_episodes_are_added_to_earlier_ones(tmp_path):
    given = {"environment": games.NAME, "frame_size": 16}
    earlier = collecting.collect(tmp_path / "one", episodes=3, **given)
    more = {"policy": "sticky", "seed": 1, "earlier": earlier}
    for _ in range(2):  # collected, and found
        told = []
        both = collecting.collect(
            tmp_path / "both", episodes=2, progress=told.append, **more, **given
        )
        assert sorted(told) == [3, 4]
    entries = both.card["episodes"]
    assert entries[:3] == earlier.card["episodes"]
    assert [each["policy"] for each in entries] == ["random"] * 3 + ["sticky"] * 2
    assert len(list((tmp_path / "both" / experience.EPISODES).iterdir())) == 5
    with pytest.raises(ValueError, match="of the same game.*'frame_size': 16}, not"):
        collecting.collect(
            tmp_path / "x", games.NAME, episodes=3, frame_size=8, earlier=earlier
        )


def test_a_trained_controller_collects(tmp_path):
    world = worlds.small("code_lstm")
    (tmp_path / "world").mkdir()
    world.save(tmp_path / "world")
    controller = controllers.linear(world.memory, world.actions)
    size = controllers.num_parameters(world.memory, world.actions)
    drawn = np.random.default_rng(1).normal(size=size)
    controllers.set_parameters(controller, drawn)
    run = tmp_path / "controller"
    run.mkdir()
    controller.save(run / "controller.keras")
    recipe = {"recipe": {"world": str(tmp_path / "world")}}
    files.write_json(run / "recipe.json", recipe)
    given = {"path": run, "load_world": vqzoo.load, "random_share": 0.0}
    policy = functools.partial(policies.Controlled, **given)
    given = {"episodes": 3, "policy": policy, "frame_size": 16}
    found = collecting.collect(tmp_path / "played", games.NAME, **given)
    acts = controllers.Policy(world.memory, world.actions, controller)
    chosen = set()
    for episode in found.all:
        state, last = world.memory.start(1), None
        for frame, action in zip(episode.frames, episode.actions):
            latents = world.encode(np.array(frame[None]))
            state = world.memory.observe(state, latents, last)
            last = acts.act(state, None)
            assert last == [action]
            chosen.add(int(action))
    assert len(chosen) > 1
    with pytest.raises(ValueError, match="a controller of Actions.*count=2.*count=3"):
        policies.Controlled(Actions(count=2), run, vqzoo.load)
    with pytest.raises(ValueError, match="world_controller or world_model"):
        policies.Controlled(Actions(count=3), tmp_path / "world", vqzoo.load)


def test_a_process_that_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "WORKER", "raise SystemExit(3)")
    with pytest.raises(files.RunError, match="3 of 3 episodes were not played"):
        collecting.collect(tmp_path, games.NAME, episodes=3, processes=2)


def test_a_sticky_policy_keeps_an_action_for_a_while():
    policy = policies.Sticky(Actions(4), repeat_share=0.9)
    policy.start(np.random.default_rng(0))
    done = np.array([policy.act(None) for _ in range(2000)])
    assert 0.04 < np.mean(done[1:] != done[:-1]) < 0.11
    assert np.unique(done).tolist() == [0, 1, 2, 3]

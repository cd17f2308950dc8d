import warnings

import numpy as np
import pytest

import vqzoo
from tests.helpers import worlds
from vqzoo.trained import TrainedError
from vqzoo.world import gym
from vqzoo.world.dream import World, starts_of

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def world():
    return worlds.small()


@pytest.mark.parametrize("kind", ["code_lstm", "mdn_rnn", "frame_transformer"])
def test_equal_seeds_and_actions_give_equal_dreams(kind):
    world = worlds.small(kind)
    films = []
    for seed in (1, 1, 2):
        first = world.reset(batch=2, seed=seed)
        assert first.shape == (2, 16, 16, 3) and first.dtype == "uint8"
        drawn = [world.step([0, 2]) for _ in range(3)]
        assert {rewards.dtype.name for _, rewards, _ in drawn} == {"float32"}
        assert {ends.dtype.name for _, _, ends in drawn} == {"bool"}
        films.append(np.stack([first, *(frames for frames, _, _ in drawn)]))
    np.testing.assert_array_equal(films[0], films[1])
    assert np.any(films[0] != films[2])


def test_a_dream_begins_with_given_frames_as_the_model_sees_them(world):
    frames = world.starts["frame"][:2]
    shown = world.reset(frames, world.starts["action"][:2, :1], seed=0)
    codes = world.encode(frames[:, 1])
    np.testing.assert_array_equal(world.latents[0].reshape(2, -1), codes)
    np.testing.assert_array_equal(shown, world.decode(codes))
    assert world.state["frame"] == 2
    np.testing.assert_array_equal(world.reset(frames[:, 1]), shown)
    assert world.state["frame"] == 1


def test_changed_codes_are_where_the_dream_goes_on(world):
    world.reset(batch=1, seed=0)
    world.step([1])
    (codes,) = world.latents
    changed = (codes + 1) % 8
    shown = world.change((changed,))
    np.testing.assert_array_equal(world.latents[0], changed)
    np.testing.assert_array_equal(shown, world.decode(changed.reshape(1, -1)))
    assert world.state["frame"] == 3  # in the place of the last one, not after it
    assert world.step([1])[0].shape == (1, 16, 16, 3)


def test_what_does_not_fit_is_refused(world):
    fresh = worlds.small()
    with pytest.raises(ValueError, match=r"world.reset\(\) before"):
        fresh.step([0])
    world.reset(batch=1, seed=0)
    with pytest.raises(ValueError, match="ints from 0 to 2"):
        world.step([3])
    with pytest.raises(ValueError, match=r"uint8 frames of .*float64"):
        world.reset(np.zeros((1, 16, 16, 3)))
    with pytest.raises(ValueError, match=r"actions of \(3, 1, ...\) between 2 frames"):
        world.reset(world.starts["frame"])
    parts = {"model": world.model, "memory": world.memory, "starts": world.starts}
    with pytest.raises(ValueError, match="3 discrete ones and 0 numbers"):
        World(actions=worlds.NUMBERS, **parts)
    other = worlds.small("mdn_rnn").model
    with pytest.raises(ValueError, match=r"tiers of .*received \(\(\(3,\), 0\),\)"):
        World(actions=world.actions, **{**parts, "model": other})


def test_a_folder_gives_the_same_world(world, tmp_path):
    world.save(tmp_path)
    loaded = vqzoo.load(tmp_path)
    assert isinstance(loaded, World) and loaded.environment == "Catch-v0"
    assert (loaded.settings, loaded.metrics, loaded.pipeline) == ({}, {}, None)
    for each in (world, loaded):
        each.reset(batch=2, seed=5)
    np.testing.assert_array_equal(world.step([0, 1])[0], loaded.step([0, 1])[0])
    (tmp_path / "starts.npy").write_bytes(b"")
    with pytest.raises(ValueError, match="no complete world"):
        vqzoo.load(tmp_path)
    (tmp_path / "memory.keras").unlink()
    with pytest.raises(TrainedError, match="memory.keras"):
        vqzoo.load(tmp_path)


@pytest.mark.parametrize("actions", [None, worlds.NUMBERS])
def test_a_dream_is_an_environment_of_gymnasium(actions):
    pytest.importorskip("gymnasium", reason="needs gymnasium")
    from gymnasium.utils.env_checker import check_env

    env = gym.DreamEnv(
        worlds.small("mdn_rnn", actions), max_steps=3, render_mode="rgb_array"
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*spec.*")
        check_env(env, skip_render_check=True)
    first, _ = env.reset(seed=4)
    np.testing.assert_array_equal(env.reset(seed=4)[0], first)
    np.testing.assert_array_equal(env.render(), first)
    ends = []
    while not ends or not any(ends[-1]):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        ends.append((terminated, truncated))
    assert len(ends) <= 3 and (len(ends) < 3 or any(ends[-1]))


def test_dreams_side_by_side_begin_anew_each_by_itself():
    pytest.importorskip("gymnasium", reason="needs gymnasium")
    world = worlds.small("frame_transformer")
    envs = gym.DreamVectorEnv(world, 4, max_steps=3)
    frames, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(frames)
    lives = np.zeros(4, int)
    over = np.zeros(4, bool)
    for _ in range(8):
        frames, rewards, ended, truncated, _ = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(frames)
        lives = np.where(over, 0, lives + 1)
        assert not np.any((ended | truncated) & over) and not rewards[over].any()
        over = ended | truncated
        assert np.all(truncated <= (lives == 3)) and np.all(over[lives == 3])
        assert sum(len(rows) for rows, _ in envs._groups) == 4
    again, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(again, gym.DreamVectorEnv(world, 4).reset(seed=0)[0])


def test_dreams_begin_all_over_the_episodes(tmp_path):
    class Short:
        rows = np.arange(3)

        def __len__(self):
            return 2

    class Long:
        rows = np.arange(100, 200)

        def __len__(self):
            return 99

    starts = starts_of([Short(), Long()], count=8, context=4)
    assert starts.shape == (8, 4)
    assert set(map(tuple, starts[::2].tolist())) <= {
        (0, 0, 0, 1),
        (1, 1, 1, 2),
        (0, 0, 0, 1),
    }
    assert (np.diff(starts[1::2]) == 1).all() and len(np.unique(starts[1::2, 0])) > 2

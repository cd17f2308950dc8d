import dataclasses
import json

import numpy as np
import pytest

import vqzoo
from tests.helpers import worlds
from vqzoo import layers, models, training
from vqzoo.datasets import experience
from vqzoo.runs.files import RunError, Stopped
from vqzoo.runs.folder import Run
from vqzoo.training import callbacks, windows
from vqzoo.training.kinds import memory as memories

pytestmark = pytest.mark.once
LENGTHS = (9, 3, 8, 7, 6, 10)  # frames of each episode


def write_episodes(folder):
    """Episodes of a game whose reward says which of three actions was taken."""
    generator = np.random.default_rng(0)
    (folder / experience.EPISODES).mkdir(parents=True)
    entries = []
    for number, length in enumerate(LENGTHS):
        rows = np.zeros(length, experience.row_type((16, 16, 3)))
        rows["frame"] = generator.integers(256, size=rows["frame"].shape)
        rows["action"][:-1] = generator.integers(3, size=length - 1)
        rows["reward"][:-1] = rows["action"][:-1] - 1.0
        rows["terminated"][-2] = number % 2
        name = f"{number:06d}.npy"
        np.save(folder / experience.EPISODES / name, rows)
        digest = f"{(number * 2654435761) % 2**32:08x}"
        entries.append({"file": name, "digest": digest})
    card = {
        "environment": "Catch-v0",
        "options": {},
        "frame_shape": [16, 16, 3],
        "actions": {"count": 3},
        "states": [],
        "episodes": entries,
    }
    (folder / experience.CARD).write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    model = folder / "eye.keras"
    worlds.small().model.save(model)
    return training.MemoryRecipe(
        name="memory",
        experience=str(write_episodes(folder / "experience")),
        model=str(model),
        memory="code_lstm",
        memory_options=("num_units=8", "num_channels=3"),
        num_frames=4,
        epochs=2,
        max_steps_per_epoch=3,
        batch_size=2,
        save_steps=1,
        learning_rate=0.01,
        precision="float32",
        strategy="none",
        tensorboard=False,
        runs_dir=str(folder / "runs"),
    )


@pytest.fixture(scope="module")
def folder(recipe):
    return recipe.run()


def test_a_memory_is_trained_on_latents_of_a_model_and_leaves_a_world(folder, recipe):
    run = Run(folder)
    world = vqzoo.load(folder)
    assert run.is_finished and len(run.history()) == 2
    assert [path.stem for path in run.pictures()] == ["nats"]
    assert (world.memory.num_actions, world.memory.num_frames) == (3, 4)
    assert world.memory.reward_values == (-1.0, 0.0, 1.0)
    frames, rewards, ends = world.step([0]) if world.reset(seed=0).any() else None
    assert frames.shape == (1, 16, 16, 3) and rewards[0] in (-1, 0, 1)
    metrics = run.metrics()["test"]
    parts = [metrics[f"nats_per_{name}"] for name in ("frame", "reward", "end")]
    assert metrics["loss"] == pytest.approx(sum(parts), rel=1e-5)
    # Sixteen codes of eight, of a memory that has learned next to nothing.
    assert metrics["nats_per_frame"] == pytest.approx(16 * np.log(8), rel=0.2)
    latents = sorted((folder / memories.LATENTS).iterdir())
    assert len(latents) == len(LENGTHS)
    read = experience.Experience(recipe.experience)
    for path in latents:
        split, _, number = path.stem.partition("_")
        episode = read.episodes(split)[int(number)]
        np.testing.assert_array_equal(np.load(path), world.encode(episode.frames))


def test_a_run_that_was_stopped_ends_as_another(recipe, folder, monkeypatch):
    stopped = dataclasses.replace(recipe, name="stopped")
    original = callbacks.RunState.on_train_batch_end

    def stop(self, batch, logs=None):
        self.signal = 15 if self.run.header["step"] == 1 else None
        original(self, batch, logs)

    monkeypatch.setattr(callbacks.RunState, "on_train_batch_end", stop)
    with pytest.raises(Stopped, match="--resume"):
        stopped.run()
    monkeypatch.undo()
    begun = Run.unfinished(stopped.runs_dir, "stopped").path / memories.LATENTS
    times = {path: path.stat().st_mtime_ns for path in begun.iterdir()}
    resumed = dataclasses.replace(stopped, resume=True).run()
    assert {path: path.stat().st_mtime_ns for path in times} == times
    first, again = (vqzoo.load(path).memory for path in (folder, resumed))
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert Run(folder).metrics() == Run(resumed).metrics()
    with pytest.raises(RunError, match="no unfinished run"):
        dataclasses.replace(stopped, resume=True).run()


def test_what_does_not_fit_is_refused(recipe, tmp_path):
    def run(**changed):
        dataclasses.replace(recipe, runs_dir=str(tmp_path / "runs"), **changed).run()

    with pytest.raises(ValueError, match="expected --model to be a trained auto"):
        run(model="")
    with pytest.raises(ValueError, match="expected --experience to be a run"):
        run(experience="")
    with pytest.raises(ValueError, match="--memory to be code_lstm or frame_trans"):
        run(memory="mdn_rnn")
    with pytest.raises(ValueError, match="--memory_options=num_units=8,num_channels=3"):
        run(memory="frame_transformer")
    wrong = worlds.small("mdn_rnn").model
    wrong.save(tmp_path / "eye.keras")
    with pytest.raises(ValueError, match="--memory to be mdn_rnn for real-valued"):
        run(model=str(tmp_path / "eye.keras"))
    small = models.VQVAE(
        layers.VectorQuantizer(4, 2), image_shape=(8, 8, 3), num_channels=4
    )
    small.save(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="--model to be a model of 16 x 16 x 3 frames"):
        run(model=str(tmp_path / "small.keras"))
    assert not (tmp_path / "runs").exists()


def films(*lengths):
    return [
        windows.Film(
            np.arange(n)[:, None] + 100 * i, np.arange(n), np.ones(n), np.zeros(n, bool)
        )
        for i, n in enumerate(lengths)
    ]


def test_windows_lie_within_films_and_short_films_are_padded():
    some = windows.Windows(films(4, 2, 5), 3)
    assert len(some) == 2 + 1 + 3
    arrays = some.arrays(range(6))
    np.testing.assert_array_equal(
        arrays["latents"][:, 0, 0], [0, 1, 100, 200, 201, 202]
    )
    np.testing.assert_array_equal(arrays["latents"][2, :, 0], [100, 101, 0])
    np.testing.assert_array_equal(arrays["mask"][2], [True, True, False])
    assert arrays["mask"].sum() == 17
    assert len(windows.Windows(films(9), 3, 3)) == 3


def test_equal_steps_give_equal_windows():
    some = windows.Windows(films(9, 7), 3)
    first, again = (
        list(some.endless(dict, 2, 1, step).take(count).as_numpy_iterator())
        for step, count in ((0, 3), (2, 1))
    )
    np.testing.assert_array_equal(first[2]["latents"], again[0]["latents"])
    assert any(np.any(first[0]["latents"] != each["latents"]) for each in first[1:])


def test_many_different_rewards_become_means_of_clusters_of_equal_sum():
    assert memories.reward_values([1.0, -1.0, 0.0, 1.0]) == (-1.0, 0.0, 1.0)
    assert memories.reward_values([2.0, 2.0]) == (2.0, 3.0)
    rare = np.zeros(20_000)
    rare[:100] = np.arange(1, 101)  # Quantiles of these would be 0 and 100.
    for rewards in (rare, np.linspace(0, 1, 1000)):
        values = np.array(memories.reward_values(rewards))
        assert len(values) == 32 and abs(values[0]) < 0.03
        nearest = values[np.abs(rewards[:, None] - values).argmin(axis=1)]
        assert nearest.sum() == pytest.approx(rewards.sum(), rel=2e-3)
        assert np.abs(nearest - rewards).max() < rewards.max() / 16

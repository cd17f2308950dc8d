import dataclasses

import keras
import numpy as np
import pytest

from tests.helpers import games, worlds
from vqzoo import training
from vqzoo.runs import state
from vqzoo.runs.files import Stopped
from vqzoo.runs.folder import Run
from vqzoo.training import callbacks

pytest.importorskip("cma", reason="needs cma")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    world = worlds.small("code_lstm")
    world.environment, world.options = games.NAME, {"frame_size": 16}
    world.save(folder)
    return training.ControllerRecipe(
        name="linear",
        world=str(folder),
        generations=3,
        population=4,
        rollouts=2,
        horizon=4,
        test_games=2,
        epochs=2,
        updates=3,
        batch_size=3,
        save_steps=1,
        precision="float32",
        strategy="none",
        runs_dir=str(folder / "runs"),
    )


@pytest.fixture(scope="module")
def linear(recipe):
    return recipe.run()


def assert_same_end(folder, other):
    first, again = (
        keras.saving.load_model(path / "controller.keras") for path in (folder, other)
    )
    assert any(np.any(weight) for weight in first.get_weights())
    for one, two in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert Run(folder).metrics() == Run(other).metrics()
    rows = [Run(path).history() for path in (folder, other)]
    for first, again in zip(*rows, strict=True):
        assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_a_linear_controller_is_evolved_in_the_dream(linear):
    run = Run(linear)
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert [path.stem for path in run.pictures()] == ["scores"]
    metrics = run.metrics()["test"]
    assert set(metrics) == {"score", "score_stddev", "random", "random_stddev"}
    assert -1 <= metrics["score"] <= 1


def test_an_evolution_that_was_stopped_ends_as_another(recipe, linear, monkeypatch):
    stopped = dataclasses.replace(recipe, name="stopped")
    save = state.save_arrays

    def stop(path, arrays, header):
        save(path, arrays, header)
        if header["step"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(state, "save_arrays", stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    monkeypatch.undo()
    assert_same_end(linear, dataclasses.replace(stopped, resume=True).run())


def test_an_actor_that_was_stopped_ends_as_another(recipe, monkeypatch):
    learning = dataclasses.replace(recipe, name="actor", controller="actor_critic")
    whole = learning.run()
    assert len(Run(whole).history()) == 2
    stopped = dataclasses.replace(learning, name="stopped_actor")
    original = callbacks.RunState.on_train_batch_end

    def stop(self, batch, logs=None):
        self.signal = 15 if self.run.header["step"] == 4 else None
        original(self, batch, logs)

    monkeypatch.setattr(callbacks.RunState, "on_train_batch_end", stop)
    with pytest.raises(Stopped, match="--resume"):
        stopped.run()
    monkeypatch.undo()
    assert_same_end(whole, dataclasses.replace(stopped, resume=True).run())


@pytest.mark.slow
def test_processes_play_the_same_games(recipe):
    real = dataclasses.replace(recipe, name="real", train_in="environment")
    other = dataclasses.replace(real, name="shared", processes=2)
    assert_same_end(real.run(), other.run())


def test_what_does_not_fit_is_refused(recipe, tmp_path):
    changed = dataclasses.replace
    with pytest.raises(ValueError, match="--train_in to be dream for --controller"):
        changed(recipe, controller="actor_critic", train_in="environment")
    with pytest.raises(ValueError, match="--temperature to be above 0"):
        changed(recipe, temperature=0.0)
    with pytest.raises(ValueError, match="--world to be a run of world_memory"):
        changed(recipe, world="").run()
    numbers = worlds.small("mdn_rnn", worlds.NUMBERS)
    numbers.save(tmp_path)
    with pytest.raises(ValueError, match="take the linear controller"):
        changed(recipe, world=str(tmp_path), controller="actor_critic").run()

import dataclasses

import numpy as np
import pytest

from tests.helpers import games
from vqzoo import datasets, training
from vqzoo.datasets import experience
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.world import collecting

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return training.ExperienceRecipe(
        name="games",
        environment=games.NAME,
        frame_size=16,
        episodes=6,
        processes=1,
        runs_dir=str(tmp_path_factory.mktemp("runs")),
    )


@pytest.fixture(scope="module")
def folder(recipe):
    return recipe.run()


def test_experience_is_a_run_and_its_frames_are_a_data_set(folder):
    run = Run(folder)
    assert run.is_finished and [p.stem for p in run.pictures()] == ["frames"]
    metrics = run.metrics()["experience"]
    assert (metrics["episodes"], metrics["steps"]) == (6, 42)
    splits = datasets.load("episodes", data_dir=folder, image_size=16)
    read = experience.Experience(folder)
    for name in experience.SPLITS:
        images, labels = getattr(splits, name).arrays()
        frames = np.concatenate([each.frames for each in read.episodes(name)])
        np.testing.assert_allclose(images, frames / 255 - 0.5, atol=1e-6)
        assert labels is None
    assert splits.fingerprint == read.fingerprint
    assert splits.summary["images"] == 48
    with pytest.raises(ValueError, match=r"frames of \(64, 64, 3\).*--frame_size"):
        datasets.load("episodes", data_dir=folder, image_size=64)


def test_a_run_that_was_stopped_ends_as_another(recipe, folder, monkeypatch):
    played = []

    def stop(*arguments):
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(arguments)
        return whole(*arguments)

    whole = collecting.play
    stopped = dataclasses.replace(recipe, name="stopped")
    monkeypatch.setattr(collecting, "play", stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    monkeypatch.setattr(collecting, "play", whole)
    with pytest.raises(files.RunError, match="--seed: 0 in the run, 1 now"):
        dataclasses.replace(stopped, resume=True, seed=1).run()
    resumed = dataclasses.replace(stopped, resume=True, processes=3).run()
    same = experience.Experience(resumed).fingerprint
    assert same == experience.Experience(folder).fingerprint
    assert len(list(resumed.parent.iterdir())) == 1


def test_a_run_adds_episodes_to_those_of_another(recipe, folder):
    more = dataclasses.replace(
        recipe, name="more", episodes=3, experience=str(folder), policy="sticky", seed=1
    )
    added = more.run()
    assert Run(added).metrics()["experience"]["episodes"] == 3
    assert len(experience.Experience(added).all) == 9
    for changes, words in (
        ({"frame_size": 8}, "--frame_size to be 16, as the frames of --experience"),
        ({"environment": "ALE/Pong-v5"}, "--environment to be .*Catch-v0, the game"),
        ({"policy": str(folder)}, "--policy to be random, sticky or a folder with co"),
    ):
        with pytest.raises(ValueError, match=words):
            dataclasses.replace(more, **changes).run()
    with pytest.raises(ValueError, match="--random_share is not used by --policy=st"):
        dataclasses.replace(more, random_share=0.5)


def test_what_cannot_be_played_leaves_no_folder(recipe, tmp_path):
    wrong = dataclasses.replace(
        recipe, runs_dir=str(tmp_path), environment_options=("kind=dict",)
    )
    with pytest.raises(ValueError, match="dict of image"):
        wrong.run()
    assert not list(tmp_path.iterdir())

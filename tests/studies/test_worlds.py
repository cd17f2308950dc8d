import dataclasses
import json
import sys

import numpy as np
import pytest

import vqzoo
from vqzoo import studies
from vqzoo.runs.folder import Run
from vqzoo.studies import sweep_loop
from vqzoo.world import collecting, extras
from vqzoo.world.dream import World

pytestmark = pytest.mark.once
SMALL = ("image_size=16", "model_options=('stride=4',)")


def recipe(kind, tmp_path, **changes):
    games = pytest.importorskip("tests.helpers.games", reason="needs gymnasium")
    return kind(
        name="worlds",
        environment=games.NAME,
        smoke=True,
        runs_dir=str(tmp_path),
        tensorboard=False,
        **{
            "experience_options": ("frame_size=16", "processes=1"),
            "eye_options": SMALL,
            **changes,
        },
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eye": "best"}, "--eye to be one of"),
        ({"eye_options": ("epoch=3",)}, "Recipe:.*'epoch'"),
        ({"memory_options": ("memory=none",)}, "--memory to be one of"),
        ({"controller_options": ("horizon=0",)}, "--horizon to be at least 1"),
        ({"experience": "there", "experience_options": ("episodes=4",)}, "not used"),
    ],
)
def test_what_a_stage_refuses_is_refused_at_once(changes, words):
    with pytest.raises(ValueError, match=words):
        studies.WorldModelRecipe(**changes)


def test_every_eye_has_the_memory_of_its_latents():
    for eye, memory in (("vae", "mdn_rnn"), ("noisy", "code_lstm")):
        made = studies.WorldModelRecipe(eye=eye).stages("runs", "e", "v", "m")
        assert made[2].memory == memory and made[1].dataset == "episodes"
    assert made[1].noise_stddev == (1.0,) and made[3].world == "m"


def test_an_eye_has_the_size_of_the_frames():
    made = studies.WorldModelRecipe(experience_options=("frame_size=96",))
    assert made.stages("runs", "", "", "")[1].image_size == 96
    given = studies.WorldModelRecipe(eye_options=("image_size=16",))
    assert given.stages("runs", "", "", "")[1].image_size == 16


def test_what_the_controller_refuses_is_said_before_all_stages(tmp_path, monkeypatch):
    given = {"experience_options": ("frame_size=16", "processes=1")}
    continuous = "environment_options=actions='continuous'"
    given["experience_options"] += (continuous,)
    learning = recipe(
        studies.WorldModelRecipe, tmp_path, controller="actor_critic", **given
    )
    with pytest.raises(ValueError, match="--controller to be linear or none for real"):
        learning.run()
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(extras.MissingExtra, match=r"linear needs cma: .*vqzoo\[world"):
        dataclasses.replace(learning, controller="linear").run()
    assert not list(tmp_path.iterdir())
    collecting.collect(tmp_path, learning.environment, episodes=3, frame_size=16)
    with pytest.raises(ValueError, match="--environment to be tests.*Catch-v0, the ga"):
        studies.WorldModelRecipe(
            environment="CarRacing-v3", experience=str(tmp_path), controller="none"
        ).run()


@pytest.mark.slow
def test_a_world_model_that_was_stopped_goes_on_and_is_a_world(tmp_path, monkeypatch):
    begun, stages = [], sweep_loop.finished

    def stop(stage):
        if stage.name == "memory" and begun.count("memory") == 0:
            begun.append("memory")
            raise KeyboardInterrupt
        begun.append(stage.name)
        return stages(stage)

    monkeypatch.setattr(sweep_loop, "finished", stop)
    with pytest.raises(KeyboardInterrupt):
        recipe(studies.WorldModelRecipe, tmp_path, compared=2).run()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("eye/*/model.keras")}
    again = recipe(studies.WorldModelRecipe, tmp_path, compared=2, resume=True)
    folder = again.run()
    assert kept == {
        p: p.stat().st_mtime_ns for p in tmp_path.rglob("eye/*/model.keras")
    }
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    found = Run(folder).metrics()
    assert {"experience"} & set(found) == set() and "score" in found["controller"]
    assert found["rate"]["raw_bits_per_frame"] == 80
    assert found["imagination"]["psnr_1"] > 0
    assert -1 <= found["control"]["rank_correlation"] <= 1
    assert (folder / "film.gif").is_file() and (folder / "controller.keras").is_file()
    world = vqzoo.load(folder)
    assert isinstance(world, World) and world.metrics == found
    assert world.reset(seed=0).shape == (1, 16, 16, 3)
    assert (
        "not known"
        in json.loads((folder / "metrics.json").read_text())["skipped"][
            "state_variables.all of it"
        ]
    )


@pytest.mark.slow
def test_a_study_has_a_row_for_each_eye_and_seed(tmp_path):
    study = recipe(
        studies.WorldStudyRecipe,
        tmp_path,
        eyes=("vae", "fsq"),
        seeds=(1,),
        controller="none",
        code_memory="frame_transformer",
    )
    folder = study.run()
    rows = json.loads((folder / "sweep.json").read_text())
    assert [(row["condition"], row["seed"]) for row in rows] == [("vae", 1), ("fsq", 1)]
    assert "rate.bits_per_frame" in rows[1]["metrics"]
    assert "rate.bits_per_frame" not in rows[0]["metrics"]
    assert np.isfinite(Run(folder).metrics()["test"]["vae: imagination.psnr_1"])
    table = (folder / "table.md").read_text()
    assert "| vae | 1 |" in table and "| fsq | 1 |" in table
    # What is done is not done again.
    before = {p: p.stat().st_mtime_ns for p in folder.glob("runs/**/metrics.json")}
    (folder / "metrics.json").unlink()
    assert dataclasses.replace(study, resume=True).run() == folder
    assert before == {p: p.stat().st_mtime_ns for p in before}

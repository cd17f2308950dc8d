import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import numpy as np
import pytest

import vqzoo
from vqzoo.runs import files, state
from vqzoo.runs.folder import Run

SETTINGS = {"recipe": {"epochs": 3, "sizes": (1, 2)}, "data_fingerprint": "abc"}


def saved(run, name="state.npz"):
    state.save_arrays(run.path / name, [np.ones(2)], run.header)


def test_two_runs_of_the_same_second_have_their_own_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "now")
    first = Run.new(tmp_path, "name")
    second = Run.new(tmp_path, "name")
    assert (first.path.name, second.path.name) == ("now", "now-1")


def test_the_newest_run_without_metrics_is_gone_on_with(tmp_path, monkeypatch):
    runs = []
    for second in "1234":
        monkeypatch.setattr(time, "strftime", lambda form, second=second: second)
        runs.append(Run.open(tmp_path, "name", SETTINGS))
    assert Run.unfinished(tmp_path, "name") is None
    with pytest.raises(files.RunError, match="--resume: no unfinished run with"):
        Run.open(tmp_path, "name", SETTINGS, resume=True)
    for run in runs[:3]:
        saved(run)
    saved(runs[0].part("top"))
    assert Run.open(tmp_path, "name", SETTINGS, resume=True).path == runs[2].path
    runs[2].finish({"test": {"psnr": 20.0}})
    assert Run.finished(tmp_path, "name").path == runs[2].path
    assert Run.unfinished(tmp_path, "name").path == runs[1].path
    runs[1].set_aside(tmp_path / "failed" / "name")
    (runs[0].path / "state.npz").unlink()
    # The state of its part is left.
    assert Run.unfinished(tmp_path, "name").path == runs[0].path
    assert (tmp_path / "failed" / "name" / "2" / "state.npz").exists()


def test_other_settings_are_named(tmp_path):
    run = Run.open(tmp_path, "name", SETTINGS)
    run.check_same(SETTINGS)
    run.check_same({**SETTINGS, "recipe": {**SETTINGS["recipe"], "new": 1}})
    other = {**SETTINGS, "recipe": {**SETTINGS["recipe"], "epochs": 4}}
    with pytest.raises(files.RunError, match="--epochs: 3 in the run, 4 now"):
        run.check_same(other)
    other = {**SETTINGS, "data_fingerprint": "xyz"}
    run.check_same(other, of_recipe_alone=True)
    with pytest.raises(files.RunError, match="data_fingerprint: 'abc' in .*'xyz' now"):
        run.check_same(other)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"metrics": {"a": {"b": 1.0}}, "skipped": {}}, {"a": {"b": 1.0}}),
        ({"test": {"b": 1.0}, "blends": {"c": 2.0}}, None),
        ({"bits_per_code": 2.0}, {"test": {"bits_per_code": 2.0}}),
    ],
)
def test_metrics_of_earlier_versions_are_read(written, expected, tmp_path):
    run = Run(tmp_path)
    assert not run.is_finished
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    assert run.is_finished
    assert run.metrics() == (expected or written)


def test_metrics_have_one_shape(tmp_path):
    Run(tmp_path).finish({"test": {"psnr": 20.0}}, facts={"model": "m"})
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written == {"metrics": {"test": {"psnr": 20.0}}, "facts": {"model": "m"}}


def test_a_worker_without_a_folder_writes_nothing(tmp_path):
    run = Run.open(tmp_path / "runs", "name", SETTINGS, writes=False)
    run.finish({"test": {}})
    run.add_epoch({"epoch": 1})
    assert run.path is None and not run.restore(None)
    assert run.header["history"] == [{"epoch": 1}]
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_read_as_it_was_written(tmp_path):
    run = Run(tmp_path)
    assert (run.history(), run.losses(), run.codebooks()) == ([], [], {})
    run.add_epoch({"epoch": 1, "val_psnr": 20.5})
    run.add_epoch({"epoch": 2, "val_psnr": 21.5})
    assert run.history()[1] == {"epoch": 2.0, "val_psnr": 21.5}
    for step in (10, 20, 30):
        run.add_loss(step, 1 / step)
    run.drop_losses(20)
    assert run.losses() == [{"step": 10, "loss": 0.1}, {"step": 20, "loss": 0.05}]
    run.save_codebooks({"top tier": {9: np.eye(2), 10: np.ones((2, 2))}})
    kept = run.codebooks()["top tier"]
    assert list(kept) == [9, 10] and kept[10].sum() == 4
    assert [part.path for part in run.parts()] == [tmp_path]


def begun_at(tmp_path, monkeypatch, second, step):
    """A run that a clock names, with a state of a step."""
    monkeypatch.setattr(time, "strftime", lambda form: second)
    run = Run.open(tmp_path, "name", SETTINGS)
    run.header["step"] = step
    state.save_arrays(
        run.path / "state.npz", [np.ones(2)], {**run.header, "opened": run.opened}
    )
    return run


def test_a_clock_that_was_set_back_does_not_bring_back_an_earlier_run(
    tmp_path, monkeypatch
):
    first = begun_at(tmp_path, monkeypatch, "2", step=50)
    second = begun_at(tmp_path, monkeypatch, "1", step=20)
    assert Run.open(tmp_path, "name", SETTINGS, resume=True).path == second.path
    # States of earlier versions do not say when: the one of most steps is taken.
    for run in (first, second):
        saved(run)
    assert Run.open(tmp_path, "name", SETTINGS, resume=True).path == first.path


HOLDER = """
import pathlib, sys, types

package = sys.modules["vqzoo"] = types.ModuleType("vqzoo")
package.__path__ = [sys.argv[2]]  # without Keras, which takes seconds
from vqzoo.runs.folder import Run
with Run(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_another_process_writes_is_refused_with_that_process(tmp_path):
    run = Run.open(tmp_path, "name", SETTINGS)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    package = str(pathlib.Path(vqzoo.__file__).parent)
    command = [sys.executable, "-c", HOLDER, str(run.path), package]
    with subprocess.Popen(command, **pipes) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            owner = f"process {holder.pid} on {platform.node()} writes: wait until"
            with pytest.raises(files.RunError, match=owner), run:
                pass
        finally:
            holder.kill()
    # The lock of a process that was killed is nobody's.
    with run:
        with pytest.raises(files.RunError, match=f"process {os.getpid()} on"):
            Run(run.path).__enter__()
    with run:
        pass


def test_what_a_killed_process_left_is_removed_when_the_run_goes_on(tmp_path):
    run = Run.open(tmp_path, "name", SETTINGS)
    saved(run.part("top"))
    left = [".state.4711.npz", ".best.4711.keras", "top/.history.4711.csv"]
    kept = [".notes", "best.keras", "top/.state.npz"]
    for name in (*left, *kept):
        (run.path / name).write_text("half")
    with run:
        assert not any((run.path / name).exists() for name in left)
        assert all((run.path / name).exists() for name in kept)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_trained(
    tmp_path, monkeypatch
):
    run = Run.open(tmp_path, "name", SETTINGS)

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    text = "cannot write .*run.lock: Permission denied: choose a folder that can be"
    with pytest.raises(files.RunError, match=text), run:
        pass


def test_losses_of_a_run_that_was_moved_are_a_clear_error(tmp_path):
    run = Run.open(tmp_path, "name", SETTINGS)
    run.path.rename(tmp_path / "elsewhere")
    text = "cannot write .*losses.csv: .*: its folder was moved or removed"
    with pytest.raises(files.RunError, match=text):
        run.add_loss(10, 1.0)
    with pytest.raises(files.RunError, match="or set --runs_dir to where it is"):
        Run.open(tmp_path, "name", SETTINGS, resume=True)


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", '"recipe"', '{"recipe": [1]}', "[" * 10**5]
)
def test_settings_of_something_else_are_a_clear_error(text, tmp_path):
    saved(Run.open(tmp_path, "name", SETTINGS))
    path = next(tmp_path.glob("name/*/recipe.json"))
    path.write_text(text)
    with pytest.raises(files.RunError, match="recipe.json"):
        Run.open(tmp_path, "name", SETTINGS, resume=True)
    path.unlink()
    with pytest.raises(files.RunError, match="cannot read .*recipe.json: .*No such"):
        Run.open(tmp_path, "name", SETTINGS, resume=True)

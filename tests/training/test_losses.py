import dataclasses
import pathlib

import numpy as np
import pytest

from vqzoo.runs.folder import Run
from vqzoo.training import callbacks, records


def fed(run_dir, values, header, steps_per_epoch, upto=None):
    """Feeds a callback the running means that Keras gives, as a run counts steps."""
    run = Run(run_dir)
    run.header = header
    watcher = records.Losses(run, steps_per_epoch)
    for step in range(header["step"], upto or len(values)):
        epoch = step // steps_per_epoch * steps_per_epoch
        watcher.on_train_batch_end(0, {"loss": np.mean(values[epoch : step + 1])})
        header["step"] += 1
    return run.losses()


def new_header():
    return {"step": 0, "losses": {"before": 0.0, "step": 0, "recorded": 0.0}}


VALUES = np.random.default_rng(0).uniform(1, 2, 57)


def test_a_row_is_the_mean_of_the_steps_since_the_one_before(tmp_path):
    rows = fed(tmp_path, VALUES, new_header(), 19)  # rows lie across the epochs
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50]
    expected = VALUES[:50].reshape(5, 10).mean(axis=1)
    np.testing.assert_allclose([row["loss"] for row in rows], expected)


@pytest.mark.parametrize("stop", [5, 19, 20, 29, 38])
def test_rows_after_the_saved_state_are_dropped_and_come_again(tmp_path, stop):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = fed(tmp_path / "whole", VALUES, new_header(), 19)
    saved = new_header()
    fed(tmp_path / "killed", VALUES, saved, 19, upto=stop)
    lost = {"step": stop, "losses": dict(saved["losses"])}
    fed(tmp_path / "killed", VALUES, lost, 19, upto=stop + 13)
    with open(tmp_path / "killed" / "losses.csv", "a") as file:
        file.write("7")  # cut off in the middle of a line
    assert fed(tmp_path / "killed", VALUES, saved, 19) == whole


def test_a_state_without_sums_begins_with_a_row_of_its_own(tmp_path):
    rows = fed(tmp_path, VALUES, {"step": 24}, 19)
    assert [row["step"] for row in rows] == [30, 40, 50]
    assert rows[0]["loss"] == pytest.approx(VALUES[25:30].mean())
    assert rows[1]["loss"] == pytest.approx(VALUES[30:40].mean())


def test_a_loss_that_is_not_finite_has_no_row(tmp_path):
    values = np.where(np.arange(57) < 15, VALUES, np.nan)
    assert [row["step"] for row in fed(tmp_path, values, new_header(), 19)] == [10]
    assert Run(tmp_path / "nowhere").losses() == []


def test_a_run_that_was_killed_has_the_rows_of_one_that_was_not(
    tiny, whole, tmp_path, monkeypatch, no_pictures
):
    monkeypatch.setattr(records, "LOSS_STEPS", 1)
    (whole,) = pathlib.Path(whole.runs_dir, whole.name).iterdir()
    rows = Run(whole).losses()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    history = Run(whole).history()
    for epoch, recorded in zip((rows[:3], rows[3:]), history):
        mean = np.mean([row["loss"] for row in epoch])
        assert mean == pytest.approx(recorded["loss"], rel=1e-5)
    end_of_batch = callbacks.RunState.on_train_batch_end

    def killed(self, batch, logs=None):
        if self.run.header["step"] == 4:  # The last state that was saved is of step 4.
            raise KeyboardInterrupt
        end_of_batch(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.RunState, "on_train_batch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            tiny.run()
    (run_dir,) = (tmp_path / "runs" / "tiny").iterdir()
    assert len(Run(run_dir).losses()) == 5
    resumed = dataclasses.replace(tiny, resume=True).run()
    assert Run(resumed).losses() == rows

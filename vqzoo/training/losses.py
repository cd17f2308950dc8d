"""losses.csv: the training loss of a run, finer than its epochs."""

import csv
import io
import math

import keras

from vqzoo.runs import files

LOSSES = "losses.csv"
EVERY = 10  # steps


class Losses(keras.callbacks.Callback):
    """Adds a row with the mean loss since the row before, every `EVERY` steps.

    It stands before `RunState`, so that a row is written before the state that holds
    it. A restored run drops the rows of steps after its state: they come again.

    Args:
        run_dir: `pathlib.Path` of the run.
        steps_per_epoch: int.
        header: dict that is saved with the state; `losses` lives there.
    """

    def __init__(self, run_dir, steps_per_epoch, header):
        super().__init__()
        self.path = run_dir / LOSSES
        self.steps_per_epoch = steps_per_epoch
        self.header = header
        if self.path.exists():
            rows = [row for row in read(run_dir) if row["step"] <= header["step"]]
            with files.replacing(self.path) as aside:
                aside.write_text("step,loss\n" + "".join(map(_line, rows)))

    def on_train_batch_end(self, batch, logs=None):
        step = self.header["step"] + 1  # RunState counts it next.
        in_epoch = (step - 1) % self.steps_per_epoch + 1
        # Keras gives the mean over the epoch so far; `total` is the sum of all losses.
        total = in_epoch * float(logs["loss"])
        # A state that was saved without sums begins with a row of its own.
        begun = {"before": 0.0, "step": step, "recorded": total}
        sums = self.header.setdefault("losses", begun)
        total += sums["before"]
        if not math.isfinite(total):
            return
        if step % EVERY == 0 and step > sums["step"]:
            loss = (total - sums["recorded"]) / (step - sums["step"])
            self._write({"step": step, "loss": loss})
            sums.update(step=step, recorded=total)
        if in_epoch == self.steps_per_epoch:
            sums["before"] = total

    def _write(self, row):
        title = "" if self.path.exists() else "step,loss\n"
        with open(self.path, "a") as file:
            file.write(title + _line(row))


def _line(row):
    return f"{row['step']},{row['loss']!r}\n"


def read(run_dir):
    """The rows of a run's losses.csv: dicts with `step` and `loss`; none without it."""
    path = run_dir / LOSSES
    if not path.exists():
        return []
    # A line without an end was cut off in the middle.
    whole = path.read_text().rpartition("\n")[0]
    return [
        {"step": int(row["step"]), "loss": float(row["loss"])}
        for row in csv.DictReader(io.StringIO(whole))
    ]

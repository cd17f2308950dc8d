"""What the folder of a run is: the only place that knows the names of its files."""

import contextlib
import json
import math
import pathlib
import shutil
import time

import numpy as np

from vqzoo.runs import files, lock, state
from vqzoo.runs.files import RunError

SETTINGS = "recipe.json"
METRICS = "metrics.json"
HISTORY = "history.csv"
LOSSES = "losses.csv"
CODEBOOKS = "codebooks.npz"
STATE = "state.npz"
MODEL = "model.keras"
PIPELINE = "pipeline.json"
MANIFEST = "manifest.json"  # of an artifact, which `vqzoo.export` makes of a run
# Settings beside the recipe that decide what a run computes.
BESIDE_RECIPE = ("dtype_policy", "data_fingerprint", "model_fingerprint")


class Run:
    """The folder of a run, or of a part of one, such as a tier.

    A folder with metrics is finished. A folder with a state but without metrics can be
    resumed. Inside `with run:`, only this process writes to it.

    Args:
        path: path of the folder, or None in a worker that has none.
        writes: bool. Of several workers one writes; the others call the same methods,
            since saving a state sums the metrics over all workers.
    """

    def __init__(self, path, writes=True):
        self.path = None if path is None else pathlib.Path(path)
        self.writes = writes and path is not None
        # Saved with the weights. `losses` are the sums that losses.csv is made from.
        self.header = {
            "step": 0,
            "best": math.inf,
            "history": [],
            "losses": {"before": 0.0, "step": 0, "recorded": 0.0},
        }
        self.restored_metrics = None  # values of the metrics' variables
        # Beside the model's own; set where several networks are trained.
        self.further_optimizers = ()
        self.opened = 0  # of the runs of a name, the one that was opened last has most
        self._lock = None

    def __enter__(self):
        if self.writes:
            self._lock = lock.hold(self.path)
        return self

    def __exit__(self, *error):
        if self._lock:
            lock.release(self._lock)

    @classmethod
    def new(cls, runs_dir, name):
        """Makes `runs_dir/name/<time>`.

        Raises:
            RunError: if it cannot be made, with the name of the flag.
        """
        parent = pathlib.Path(runs_dir) / name
        stamp = time.strftime("%Y%m%d-%H%M%S")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for suffix in ("", *(f"-{i}" for i in range(1, 100))):
                path = parent / f"{stamp}{suffix}"
                # Another process may begin a run of the same name in this second.
                with contextlib.suppress(FileExistsError):
                    path.mkdir()
                    return cls(path)
        except OSError as error:
            raise RunError(
                f"cannot make a folder in --runs_dir={runs_dir}: "
                f"{error.strerror or error}"
            ) from error
        raise RunError(f"cannot find a free name for a run in {parent}")

    @classmethod
    def open(cls, runs_dir, name, settings, *, resume=False, writes=True):
        """The run that begins, or the newest one of its name that is not finished.

        Args:
            runs_dir: path.
            name: str, of the recipe.
            settings: dict, all that decides what the run computes; see `check_same`.
            resume: bool. Whether to continue an unfinished run.
            writes: bool, of this process.

        Raises:
            RunError: if a folder cannot be made, there is no unfinished run, or it has
                other settings.
        """
        if resume:
            run = cls.unfinished(runs_dir, name)
            if run is None:
                raise RunError(
                    "--resume: no unfinished run with a saved state in "
                    f"{pathlib.Path(runs_dir, name)}: leave --resume out, or set "
                    "--runs_dir to where it is now"
                )
            run.check_same(settings)
            run.writes = writes
        else:
            run = cls.new(runs_dir, name) if writes else cls(None)
            run.write_settings(settings)
        begun = [other.progress()[0] for other in cls.all(runs_dir, name)]
        run.opened = 1 + max(begun, default=0)
        return run

    @classmethod
    def all(cls, runs_dir, name):
        """The runs of a name, oldest first."""
        return [cls(path) for path in sorted(pathlib.Path(runs_dir, name).glob("*"))]

    @classmethod
    def unfinished(cls, runs_dir, name):
        """The run with the latest saved state that is not finished, or None.

        Names are of a clock, which may have been set back: the run that was opened last
        is the latest one.
        """
        left = [run for run in cls.all(runs_dir, name) if not run.is_finished]
        left = [run for run in left if run._states()]
        return max(left, key=lambda run: (*run.progress(), run.path.name), default=None)

    @classmethod
    def finished(cls, runs_dir, name):
        """The newest run that is finished, or None."""
        done = [run for run in cls.all(runs_dir, name) if run.is_finished]
        return done[-1] if done else None

    def _states(self):
        # The states of a prior's run are those of its tiers.
        return list(self.path.glob(f"**/{STATE}"))

    def progress(self):
        """When the run was opened, in the order of its name's, and its saved steps."""
        headers = list(map(state.peek, self._states()))
        opened = max((header.get("opened", 0) for header in headers), default=0)
        return opened, sum(header["step"] for header in headers)

    @property
    def is_finished(self):
        """Whether the run has its metrics, which are written last."""
        return (self.path / METRICS).exists()

    @property
    def model_path(self):
        """The model that the run delivers."""
        return self.path / MODEL

    @property
    def events_path(self):
        """The folder of TensorBoard's events."""
        return self.path / "events"

    def part(self, name):
        """The folder of a part of the run, such as a tier: another `Run`."""
        path = self.path / name
        with files.writing(path):
            path.mkdir(parents=True, exist_ok=True)
        run = Run(path, self.writes)
        run.opened = self.opened
        return run

    def parts(self):
        """The run, and what was trained within it: those that have a history."""
        return [Run(path.parent) for path in sorted(self.path.rglob(HISTORY))]

    def set_aside(self, folder):
        """Moves the run into another folder, out of the way of the next try."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path.rename(folder / self.path.name)

    def settings(self):
        """All that decides what the run computes: a JSON dict.

        Raises:
            RunError: if there are none, or the file holds something else.
        """
        return files.read_settings(self.path / SETTINGS)

    def write_settings(self, settings):
        """Writes what `settings` reads."""
        if self.writes:
            files.write_json(self.path / SETTINGS, settings)

    def check_same(self, settings, *, of_recipe_alone=False):
        """Compares settings with those of the run.

        Args:
            settings: dict with `recipe` and, beside it, precision, data and model.
            of_recipe_alone: bool. Whether what is beside it is left out.

        Raises:
            RunError: if a setting differs, with the names of the flags.
        """
        old, new = self.settings(), json.loads(json.dumps(settings))
        # Only what both know: settings come and go with versions.
        changed = [
            f"--{name}: {value!r} in the run, {new['recipe'][name]!r} now"
            for name, value in old["recipe"].items()
            if name in new["recipe"] and new["recipe"][name] != value
        ]
        changed += [
            f"{name}: {old[name]!r} in the run, {new[name]!r} now"
            for name in (() if of_recipe_alone else BESIDE_RECIPE)
            if old.get(name) != new.get(name)
        ]
        if changed:
            raise RunError(
                f"--resume: {self.path} has other settings: {'; '.join(changed)}"
            )

    def metrics(self):
        """Numbers of the finished run: `{section: {name: float}}`."""
        return files.sections(files.read_json(self.path / METRICS))

    def finish(self, metrics, *, models=None, pipeline=None, pictures=None, **beside):
        """Writes metrics.json, after which the run is finished.

        Args:
            metrics: dict of sections, each a dict of floats.
            models: dict from names of `.keras` files that the run delivers to paths
                of elsewhere, or None.
            pipeline: JSON dict, what pipeline.json says of these, or None.
            pictures: dict of matplotlib figures by name, or None.
            **beside: what else stands there, such as `facts` or `skipped`.
        """
        if not self.writes:
            return
        for name, source in (models or {}).items():
            with files.replacing(self.path / name) as aside:
                shutil.copyfile(source, aside)
        if pipeline is not None:
            files.write_json(self.path / PIPELINE, pipeline)
        for name, figure in (pictures or {}).items():
            files.save_figure(figure, self.path / f"{name}.png")
        files.write_json(self.path / METRICS, {"metrics": metrics, **beside})

    def save_state(self, model=None, arrays=()):
        """Saves the weights of a compiled model, or arrays, and the header, atomically.

        Raises:
            FloatingPointError: if a float variable is not finite; nothing is written.
        """
        path = self.path / STATE if self.writes else None
        header = {**self.header, "opened": self.opened}
        if model is None:
            return state.save_arrays(path, arrays, header)
        return state.save(path, model, header, self.further_optimizers)

    def restore(self, model):
        """Puts the saved state, if there is one, into a model of the same recipe.

        Returns:
            Whether there was one.

        Raises:
            RunError: if it cannot be read or does not fit the model.
        """
        if self.path is None or not (self.path / STATE).exists():
            return False
        self.header, self.restored_metrics = state.restore(
            self.path / STATE, model, self.further_optimizers
        )
        return True

    def save_model(self, model, name):
        """Saves a model as `name.keras`."""
        if self.writes:
            files.save_model(model, self.path / f"{name}.keras")

    @property
    def best_path(self):
        """The model of the best epoch."""
        return self.path / "best.keras"

    @property
    def classifier_path(self):
        """The classifier that a loss of the run looks through, or None in a worker."""
        return None if self.path is None else self.path / "classifier.keras"

    def history(self):
        """The rows of history.csv: dicts of floats; empty if there is no file."""
        return files.read_rows(self.path / HISTORY)

    def add_epoch(self, row):
        """Adds a row to the history, which the header keeps whole."""
        self.header["history"].append(row)
        if self.writes:
            files.write_rows(self.path / HISTORY, self.header["history"])

    def losses(self):
        """The rows of losses.csv: dicts of `step` and `loss`; empty without it."""
        rows = files.read_rows(self.path / LOSSES)
        return [{"step": int(row["step"]), "loss": row["loss"]} for row in rows]

    def add_loss(self, step, loss):
        """Adds a row to losses.csv."""
        path = self.path / LOSSES
        title = "" if path.exists() else "step,loss\n"
        with files.writing(path), open(path, "a") as file:
            file.write(f"{title}{step},{loss!r}\n")

    def drop_losses(self, last):
        """Drops the rows of steps after the last one, which will be repeated."""
        rows = [row for row in self.losses() if row["step"] <= last]
        files.write_rows(self.path / LOSSES, rows, ("step", "loss"))

    def codebooks(self):
        """Codebooks at a few steps: `{tier: {step: float (K, D)}}`, steps ascending."""
        path, codebooks = self.path / CODEBOOKS, {}
        if path.exists():
            with np.load(path) as saved:
                keys = ((*key.rpartition("/")[::2], key) for key in saved)
                for tier, step, key in sorted(keys, key=lambda names: int(names[1])):
                    codebooks.setdefault(tier, {})[int(step)] = saved[key]
        return codebooks

    def save_codebooks(self, codebooks):
        """Writes what `codebooks` reads."""
        arrays = {
            f"{tier}/{step}": array
            for tier, steps in codebooks.items()
            for step, array in steps.items()
        }
        with files.replacing(self.path / CODEBOOKS) as new, open(new, "wb") as file:
            np.savez_compressed(file, **arrays)

    def pictures(self):
        """Paths of the pictures and films, by name."""
        return sorted([*self.path.glob("*.png"), *self.path.glob("*.gif")])


def prior_file(tier):
    """The name of the file of a tier's prior, beside the model."""
    return f"{tier}.keras"

"""Files of a run: written aside and renamed, so that none is ever half written."""

import contextlib
import csv
import errno
import io
import json
import os
import re

from vqzoo.frame import Failure

_KEPT = 40  # characters of a name that what is written aside has too
_ASIDE = re.compile(r"\..+\.\d+(\.\w+)?")


class RunError(Failure):
    """A run that cannot go on, for a reason that its user can fix."""


class Diverged(RunError):
    """A run whose numbers are no longer finite, or far out of bounds."""


class Stopped(Failure):
    """A run that a signal ended after its state was saved.

    Args:
        message: str, what happened and how to go on.
        exit_code: int, 128 + the signal's number.
    """

    def __init__(self, message, exit_code):
        super().__init__(message)
        self.exit_code = exit_code


# What the user can do where a file cannot be written.
ADVICE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that can be written",
    errno.EPERM: "choose a folder that can be written",
    errno.ENOENT: "its folder was moved or removed",
}


@contextlib.contextmanager
def writing(path):
    """Turns what the system says of a file that cannot be written into a RunError."""
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno)
        raise RunError(
            f"cannot write {path}: {error.strerror or error}"
            f"{f': {advice}' if advice else ''}"
        ) from error


@contextlib.contextmanager
def replacing(path):
    """Gives a path beside `path`; what is written there takes its place at the end.

    Args:
        path: `pathlib.Path`. Its suffix is kept, since savers look at it.

    Raises:
        RunError: if the disk is full or the folder cannot be written; the old file, if
            there was one, stays as it was.
    """
    # Short, where the name is as long as names can be.
    aside = path.with_name(f".{path.stem[:_KEPT]}.{os.getpid()}{path.suffix}")
    try:
        with writing(path):
            yield aside
            with open(aside, "rb") as written:
                os.fsync(written.fileno())
            os.replace(aside, path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def remove_left(folder):
    """Removes what processes that were killed left half written, here and below."""
    for path in folder.rglob(".*"):
        if _ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def write_json(path, value):
    """Writes `value` as indented JSON, atomically."""
    with replacing(path) as aside:
        aside.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path):
    """What `write_json` wrote.

    Raises:
        RunError: if it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: {error}") from error


def read_settings(path):
    """The settings of a run: a dict with `recipe`.

    Raises:
        RunError: if they cannot be read, or the file holds something else.
    """
    settings = read_json(path)
    recipe = settings.get("recipe") if isinstance(settings, dict) else None
    if not isinstance(recipe, dict):
        raise RunError(
            f"expected the settings of a run in {path}, received something else: "
            "bring the file back, or begin a new run"
        )
    return settings


def write_rows(path, rows, names=None):
    """Writes rows as CSV, atomically.

    Args:
        path: `pathlib.Path`.
        rows: list of dicts of numbers.
        names: sequence of str. Defaults to those of the first row.
    """
    with replacing(path) as aside, open(aside, "w", newline="") as file:
        writer = csv.DictWriter(file, names or rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path):
    """The rows of a CSV file: dicts of floats; empty if there is no file."""
    if not path.exists():
        return []
    # A line without an end was cut off in the middle.
    whole = path.read_text().rpartition("\n")[0]
    rows = csv.DictReader(io.StringIO(whole))
    return [{name: float(value) for name, value in row.items()} for row in rows]


def save_model(model, path):
    """Saves a Keras model as `.keras`, atomically."""
    with replacing(path) as aside:
        model.save(aside)


def save_figure(figure, path):
    """Saves a matplotlib figure as PNG, atomically."""
    with replacing(path) as aside:
        figure.savefig(aside)


def sections(metrics):
    """The numbers of a metrics.json of any version: `{section: {name: float}}`."""
    # Earlier versions wrote the sections without `metrics` around them and, of a tier,
    # the numbers without a section.
    if "metrics" in metrics:
        return metrics["metrics"]
    if any(isinstance(value, dict) for value in metrics.values()):
        return metrics
    return {"test": metrics}

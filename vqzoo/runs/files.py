"""Files of a run: written aside and renamed, so that none is ever half written."""

import contextlib
import json
import os

from vqzoo.frame import Failure


class RunError(Failure):
    """A run that cannot go on, for a reason that its user can mend."""


class Diverged(RunError):
    """A run whose numbers are no longer finite, or out of all bounds."""


class Stopped(Failure):
    """A run that a signal ended after its state was saved.

    Args:
        message: str, what happened and how to go on.
        exit_code: int, 128 + the signal's number.
    """

    def __init__(self, message, exit_code):
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def replacing(path):
    """Gives a path beside `path`; what is written there takes its place at the end.

    Args:
        path: `pathlib.Path`. Its suffix is kept, since savers look at it.

    Raises:
        RunError: if the disk is full or the folder cannot be written; the old file, if
            there was one, stays as it was.
    """
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield aside
        with open(aside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def write_json(path, value):
    """Writes `value` as indented JSON, atomically."""
    with replacing(path) as aside:
        aside.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path):
    """What `write_json` wrote."""
    return json.loads(path.read_text())


def save_model(model, path):
    """Saves a Keras model as `.keras`, atomically."""
    with replacing(path) as aside:
        model.save(aside)


def save_figure(figure, path):
    """Saves a matplotlib figure as PNG, atomically."""
    with replacing(path) as aside:
        figure.savefig(aside)

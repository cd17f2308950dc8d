"""What both command lines share: flags, the model, progress."""

import pathlib

from vqzoo import frame
from vqzoo.codec import load
from vqzoo.frame import Flag

FLAGS = {
    "The model and the files": [
        Flag(
            "model",
            "",
            "folder with model.keras, and with its priors if there are any",
        ),
        Flag(
            "counts",
            "",
            "folder that `vqzoo encode` wrote with this model, whose counts of codes "
            "--mode=unigram begins with; a file is read with those it was written with",
        ),
        Flag(
            "overwrite",
            False,
            "replace files that exist already; otherwise skip them",
        ),
    ]
}


def run(argv, usage, groups, work):
    """Does what a command line says; returns the exit code of `frame`.

    Args:
        argv: list of str, the program's name first.
        usage: str, what `--help` says before the flags.
        groups: dict of `Flag`s beside those that both have.
        work: function of the codec, the two paths and the flags, to what is printed;
            where it has written nothing, the exit code is 1.
    """

    def do(values, source, target):
        if not pathlib.Path(source).exists():
            raise FileNotFoundError(f"expected a file or a folder, received {source}")
        report = work(load(values.model, values.counts), source, target, values)
        print(report)
        return 0 if report.written else 1

    flags = FLAGS | groups
    return frame.run(argv, usage, flags, do, ["IN", "OUT"], prepare=_with_model)


def _with_model(values):
    if not values.model:
        raise ValueError("expected --model=FOLDER, an artifact or a prior's run")
    return values


def progress(items, total):
    """The items, with a bar on the terminal after a second."""
    from tqdm import tqdm

    return tqdm(items, total=total, unit=" files", delay=1)

"""What the two command lines share: flags, usage, exit codes, progress."""

import sys

from absl import flags

from vqzoo.codec.codec import load
from vqzoo.codec.container import CodecError
from vqzoo.runs.files import RunError

USAGE_ERROR = 2
SHARED = (
    (
        flags.DEFINE_string,
        "model",
        "",
        "folder with model.keras, and with its priors where there are any",
    ),
    (
        flags.DEFINE_bool,
        "overwrite",
        False,
        "write anew what a folder has already; else it is passed over",
    ),
)


def run(argv, usage, definitions, work):
    """Does what a command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.
        usage: str, what `--help` says before the flags.
        definitions: sequence of `(define, name, default, text)`.
        work: function of the codec, the two paths and the flags, to what is printed.

    Returns:
        int: 0 when it is done, 1 when it failed for a reason that the user can mend or
        every file was skipped, 2 on an unknown flag or an impossible value.
    """
    values = flags.FlagValues()
    for define, name, default, text in (*SHARED, *definitions):
        define(name, default, text, flag_values=values)
    flags.DEFINE_bool("help", False, "show this help", flag_values=values)
    try:
        paths = values(argv)[1:]
        if values.help:
            print(f"{usage}\n{values.get_help()}")
            return 0
        if len(paths) != 2:
            raise ValueError(f"expected IN and OUT, received {paths}")
        if not values.model:
            raise ValueError("expected --model=FOLDER, an artifact or a prior's run")
    except (flags.Error, ValueError) as error:
        print(f"{error}\nSee --help for all flags.", file=sys.stderr)
        return USAGE_ERROR
    try:
        report = work(load(values.model), *paths, values)
    except (CodecError, RunError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(report)
    return 0 if report.written else 1


def progress(items, total):
    """The items, with a bar on the terminal after a second."""
    from tqdm import tqdm

    return tqdm(items, total=total, unit=" files", delay=1)

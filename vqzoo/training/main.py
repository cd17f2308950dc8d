"""The command line of a recipe."""

import dataclasses
import gc
import re
import sys
import typing

from absl import flags

from vqzoo.runs.files import RunError, Stopped

USAGE = 2


def main(recipe, argv=None):
    """Runs `recipe` with the flags of the command line, and ends the process.

    Args:
        recipe: a recipe of any kind; its values are the flags' defaults.
        argv: list of str, the program's name first. Defaults to `sys.argv`.

    Raises:
        SystemExit: 0 when the run is done, 1 when it failed for a reason that the user
            can mend, 2 on an unknown flag or an impossible value, 128 + the signal's
            number when a signal ended it.
    """
    argv = sys.argv if argv is None else argv
    try:
        recipe = parse(recipe, argv)
    except (flags.Error, ValueError) as error:
        sys.exit(_say(f"{error}\nSee --help for all flags.", USAGE))
    failure = _run(recipe)
    # What the run has left goes now: an iterator of tf.data that the interpreter drops
    # at its end may wait forever for threads that are gone.
    gc.collect()
    if failure is not None:
        sys.exit(_say(*failure))


def _run(recipe):
    """Runs a recipe; returns the text and the exit code of a failure, or None."""
    try:
        recipe.run()
    except Stopped as stop:
        return str(stop), stop.exit_code
    except (RunError, ValueError, OSError) as error:
        return f"Error: {error}", 1
    return None


def parse(recipe, argv):
    """`recipe` with the values that `argv` gives, the program's name first.

    Raises:
        absl.flags.Error: on an unknown flag or a value of the wrong type.
        ValueError: on a value that cannot work or an argument that is no flag.
    """
    values = flags.FlagValues()
    types = typing.get_type_hints(type(recipe))
    for field in dataclasses.fields(recipe):
        _define(field, types[field.name], getattr(recipe, field.name), values)
    flags.DEFINE_bool("help", False, "show this help", flag_values=values)
    rest = values(argv)[1:]
    if values.help:
        print(f"Flags of {argv[0]}:\n{values.get_help()}")
        sys.exit(0)
    if rest:
        raise ValueError(f"expected flags such as --epochs=3, received {rest}")
    settings = {
        f.name: _value(values[f.name].value) for f in dataclasses.fields(recipe)
    }
    return type(recipe)(**settings)


def _value(value):
    return tuple(value) if isinstance(value, list) else value


def _define(field, kind, default, values):
    """Defines the absl flag of one field, by the field's type."""
    text = field.metadata["help"]
    if typing.get_origin(kind) is not tuple:
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
        }[kind]
        define(field.name, default, text, flag_values=values)
        return
    flags.DEFINE(
        _Parts(typing.get_args(kind)[0]),
        field.name,
        list(default),
        text,
        flag_values=values,
        serializer=flags.ListSerializer(","),
    )


class _Parts(flags.ArgumentParser):
    """Values with commas between them; a comma within brackets is part of a value."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.syntactic_help = f"comma-separated {kind.__name__} values"

    def parse(self, argument):
        if isinstance(argument, list):
            return argument
        parts = re.split(r",(?![^()\[\]]*[)\]])", argument) if argument else []
        return [self.kind(part.strip()) for part in parts]

    def flag_type(self):
        return f"comma-separated {self.kind.__name__}"


def _say(text, exit_code):
    print(text, file=sys.stderr, flush=True)
    return exit_code

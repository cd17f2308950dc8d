"""The command line of a recipe."""

import dataclasses
import sys
import typing

from absl import flags

from vqzoo.training.files import RunError, Stopped
from vqzoo.training.loop import run

USAGE = 2


def main(recipe, argv=None):
    """Runs `recipe` with the flags of the command line, and ends the process.

    Args:
        recipe: `Recipe`; its values are the flags' defaults.
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
    try:
        run(recipe)
    except Stopped as stop:
        sys.exit(_say(str(stop), stop.exit_code))
    except (RunError, ValueError, OSError) as error:
        sys.exit(_say(f"Error: {error}", 1))


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
    if kind == tuple[float, ...]:
        define, default = _define_floats, [float(x) for x in default]
    elif kind == tuple[str, ...]:
        define, default = flags.DEFINE_list, list(default)
    else:
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
        }[kind]
    define(field.name, default, field.metadata["help"], flag_values=values)


class _Floats(flags.ArgumentParser):
    """Floats with commas between them."""

    syntactic_help = "comma-separated floats"

    def parse(self, argument):
        if isinstance(argument, list):
            return argument
        return [float(part) for part in argument.split(",")]

    def flag_type(self):
        return "floats"


def _define_floats(name, default, text, flag_values):
    flags.DEFINE(
        _Floats(),
        name,
        default,
        text,
        flag_values=flag_values,
        serializer=flags.CsvListSerializer(","),
    )


def _say(text, exit_code):
    print(text, file=sys.stderr, flush=True)
    return exit_code

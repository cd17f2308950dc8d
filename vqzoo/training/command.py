"""The command line of a recipe: its fields are the flags."""

import dataclasses
import functools
import inspect
import re
import sys
import typing

from vqzoo import frame


def main(recipe, argv=None, usage=None):
    """Runs `recipe` with the flags of the command line, and ends the process.

    Args:
        recipe: a recipe of any kind; its values are the flags' defaults.
        argv: list of str, the program's name first. Defaults to `sys.argv`.
        usage: str, what `--help` says before the flags. Defaults to the docstring of
            the program.

    Raises:
        SystemExit: with an exit code of `frame`.
    """
    argv = sys.argv if argv is None else argv
    usage = usage or sys.modules["__main__"].__doc__ or f"The recipe {recipe.name}."
    made = functools.partial(_made, recipe)
    sys.exit(frame.run(argv, usage, _groups(recipe), lambda r: r.run(), prepare=made))


def parse(recipe, argv):
    """`recipe` with the values that `argv` gives, the program's name first.

    Raises:
        absl.flags.Error: on an unknown flag or a value of the wrong type.
        ValueError: on a value that cannot work or an argument that is no flag.
    """
    values, _ = frame.parse(argv, _groups(recipe))
    return _made(recipe, values)


def _made(recipe, values):
    return type(recipe)(**vars(values))


def _groups(recipe):
    """The flags of a recipe's fields, by the class that each field comes from."""
    kinds = typing.get_type_hints(type(recipe))
    groups = {}
    for field in dataclasses.fields(recipe):
        classes = type(recipe).__mro__
        owner = next(c for c in classes if field.name in inspect.get_annotations(c))
        title = re.split(r"[;.]", owner.__doc__, maxsplit=1)[0]
        groups.setdefault(title, []).append(_flag(field, kinds[field.name], recipe))
    return groups


def _flag(field, kind, recipe):
    value, text = getattr(recipe, field.name), field.metadata["help"]
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
        return frame.Flag(field.name, value, text, kind=kind)
    return frame.Flag(field.name, kind(value), text)

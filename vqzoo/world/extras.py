"""Imports packages of the extra `world`, or says what to install."""

import importlib

from vqzoo.frame import Failure

INSTALL = "pip install 'vqzoo[world]'"


class MissingExtra(Failure):
    """A package that is not installed."""


def take(name, purpose):
    """Imports a module of the extra `world`.

    Args:
        name: str, such as `"gymnasium"`.
        purpose: str, what it is needed for.

    Raises:
        MissingExtra: if it is not installed; it names the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(f"{purpose} needs {name}: {INSTALL}") from error

"""Names of the command line: each stands at what it names, read without an import."""

import ast
import functools
import importlib
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent
_NAMED = re.compile(r'^@(?:registry\.)?named\("(\w+)"', re.MULTILINE)
_OBJECTS = {}


def named(name):
    """Decorator that gives a function or class of vqzoo its name for a flag.

    Args:
        name: str, written out in the call, so that `names` finds it in the text.

    Raises:
        ValueError: if the package has that name already.
    """

    def remember(named_object):
        package = ".".join(named_object.__module__.split(".")[1:-1])
        if _OBJECTS.setdefault((package, name), named_object) is not named_object:
            raise ValueError(f"expected another name than {name!r} in vqzoo.{package}")
        return named_object

    return remember


@functools.cache
def _modules(package):
    """The module of each name in a package of vqzoo, from the text of its files."""
    modules = {}
    for path in sorted(FOLDER.joinpath(*package.split(".")).glob("*.py")):
        for name in _NAMED.findall(path.read_text(encoding="utf-8")):
            parts = path.relative_to(FOLDER.parent).with_suffix("").parts
            modules[name] = ".".join(parts)
    return modules


def names(package):
    """The names in a package of vqzoo, sorted; nothing of it is imported.

    Args:
        package: str, such as `"quantizers"` or `"priors.gan"`; not the packages in it.
    """
    return tuple(sorted(_modules(package)))


def find(package, name):
    """What a name stands for in a package of vqzoo.

    Raises:
        ValueError: if there is no such name, with those that there are.
    """
    if name not in _modules(package):
        known = ", ".join(names(package))
        raise ValueError(f"expected one of {known}, received {name!r}")
    importlib.import_module(_modules(package)[name])
    return _OBJECTS[package, name]


def parse_options(options):
    """The keyword arguments that strings such as `"levels=(8, 5)"` mean.

    Args:
        options: sequence of str, each `name=value`, where the value is a Python
            literal or, failing that, a word.

    Returns:
        dict.

    Raises:
        ValueError: if a string has no name or no value.
    """
    parsed = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not name.isidentifier() or not equals or not text:
            raise ValueError(f"expected name=value, received {option!r}")
        try:
            parsed[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            parsed[name] = text
    return parsed


class _Lazy:
    """A module that is imported when something of it is first asked for."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self._name), attribute)


def lazily(name):
    """A module that is imported when it is used, so that `--help` does not wait.

    Args:
        name: str, the whole name of a module, such as `"keras"`.
    """
    return _Lazy(name)


def on_demand(package, places):
    """The `__all__` and `__getattr__` of a package that imports on demand.

    Args:
        package: str, the package's `__name__`.
        places: dict from each name to where it is in the package, `module.name`.

    Returns:
        `(names, function)`: list of str, and from a name to what it stands for.
    """

    def get(name):
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, found = places[name].rpartition(".")
        return getattr(importlib.import_module(f"{package}.{module}"), found)

    return sorted(places), get

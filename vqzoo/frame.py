"""The frame of every command: flags and their help, exit codes, a quiet console.

Exit codes: 0 when it is done, 1 when it failed for a reason that the user can fix, 2
on an unknown flag or an impossible value, 128 + its number when a signal ended it.
"""

import contextlib
import dataclasses
import gc
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import types

from absl import flags

USAGE_ERROR = 2
# What TensorFlow says at every start, whether or not anything is wrong. The last is of
# machines without a driver; a driver that fails gives other numbers than 303.
CHATTER = (
    r"^WARNING: All log messages before absl::InitializeLog\(\) is called",
    r"oneDNN custom operations are on\.",
    r"Could not find cuda drivers on your machine",
    r"This TensorFlow binary is optimized to use available CPU instructions",
    r"^To enable the following instructions: ",
    r"Unable to register cu\w+ factory: Attempting to register factory",
    r"computation placer already registered",
    r"failed call to cuInit: .*(UNKNOWN ERROR \(303\)|CUDA_ERROR_NO_DEVICE)",
)
# Runs as a process of its own: what is in the pipe outlives a crash of the command.
FILTER = """
import re, sys
chatter = re.compile("|".join(sys.argv[1:]))
for line in sys.stdin.buffer:
    if not chatter.search(line.decode("utf-8", "replace")):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
"""


class Failure(RuntimeError):
    """What ends a command for a reason that its user can fix."""

    exit_code = 1


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of a command line.

    Args:
        name: str.
        default: str, int, float, bool or tuple; its type is the flag's.
        text: str, what `--help` says.
        choices: tuple of the values that there are; empty: any.
        at_least, at_most: bounds of a number, or None.
        kind: type of each value of a tuple.
    """

    name: str
    default: object
    text: str
    choices: tuple = ()
    at_least: float | None = None
    at_most: float | None = None
    kind: type = str

    def define(self, values):
        """Defines the absl flag in a `FlagValues`."""
        if isinstance(self.default, tuple):
            flags.DEFINE(
                _Parts(self.kind),
                self.name,
                list(self.default),
                self.text,
                flag_values=values,
                serializer=flags.ListSerializer(","),
            )
            return
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
        }[type(self.default)]
        define(self.name, self.default, self.text, flag_values=values)

    def check(self, value):
        """Raises ValueError, which names the flag, unless a value is possible."""
        given = value if isinstance(value, tuple) else (value,)
        empty = self.default in ("", ()) and value == self.default
        names = ", ".join(map(str, self.choices))
        words = "one of" if self.default else "empty or one of"
        if isinstance(self.default, tuple):
            words = "some of"
        for condition, text in (
            (
                not self.choices or empty or set(given) <= set(self.choices),
                f"{words} {names}",
            ),
            (
                self.at_least is None or value >= self.at_least,
                f"at least {self.at_least}",
            ),
            (self.at_most is None or value <= self.at_most, f"at most {self.at_most}"),
        ):
            if not condition:
                raise ValueError(
                    f"expected --{self.name} to be {text}, received {value!r}"
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


def run(argv, usage, groups, work, arguments=(), prepare=None):
    """Does what a command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.
        usage: str, what `--help` says before the flags.
        groups: dict from a title to the `Flag`s under it.
        work: function of what `prepare` gives and the arguments that are no flags; an
            int that it returns is the exit code.
        arguments: sequence of str, names of the arguments that are no flags.
        prepare: function of a namespace of the flags' values; a ValueError of it is an
            error of usage. Defaults to what gives the values as they are.

    Returns:
        int.
    """
    try:
        values, rest = parse(argv, groups, arguments)
        if values is None:
            show(describe(usage, groups))
            return 0
        prepared = prepare(values) if prepare else values
    except (flags.Error, ValueError) as error:
        called = " ".join([_program(argv[0]), *arguments, "[--flag=value ...]"])
        text = f"{error}\nUsage: {called}\nSee --help for all flags."
        return _say(text, USAGE_ERROR)
    quiet()
    code, failure = _do(work, prepared, rest)
    # What the work has left goes now: an iterator of tf.data that the interpreter drops
    # at its end may wait forever for threads that are gone.
    gc.collect()
    return _say(failure, code) if failure else code


def _program(name):
    """How a program is called whose argv[0] this is."""
    path = pathlib.PurePath(name)
    if path.suffix != ".py" or "vqzoo" not in path.parts:
        return path.name
    _, _, module = "/".join(path.with_suffix("").parts).rpartition("/vqzoo/")
    return f"python -m vqzoo.{module.replace('/', '.').removesuffix('.__main__')}"


def _do(work, prepared, rest):
    """The exit code of the work, and the text of its failure or None."""
    try:
        code = work(prepared, *rest)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT, "Stopped by SIGINT"
    except (Failure, ValueError, OSError) as error:
        code = getattr(error, "exit_code", 1)
        return code, f"Error: {error}" if code == 1 else str(error)
    return code if isinstance(code, int) else 0, None


def parse(argv, groups, arguments=()):
    """What a command line gives: a namespace of the flags' values, and the arguments.

    Returns:
        `(values, arguments)`; `(None, [])` where it asks for help.

    Raises:
        absl.flags.Error: on an unknown flag or a value of the wrong type.
        ValueError: on a value that cannot work, or not the arguments that there are.
    """
    own = [flag for group in groups.values() for flag in group]
    defined = flags.FlagValues()
    for flag in own:
        flag.define(defined)
    define = {"flag_values": defined, "short_name": "h"}
    flags.DEFINE_bool("help", False, "show this help", **define)
    rest = defined(argv)[1:]
    if defined.help:
        return None, []
    if len(rest) != len(arguments):
        named = " and ".join(arguments) or "flags such as --name=value"
        raise ValueError(f"expected {named}, received {rest}")
    values = {}
    for flag in own:
        value = defined[flag.name].value
        values[flag.name] = tuple(value) if isinstance(value, list) else value
        flag.check(values[flag.name])
    return types.SimpleNamespace(**values), rest


def describe(usage, groups):
    """The text of `--help`: the usage, then the flags by groups."""
    width = min(shutil.get_terminal_size((88, 24)).columns, 100)
    lines = [usage.strip()]
    for title, group in groups.items():
        lines += ["", f"{title}:"]
        for flag in group:
            lines += textwrap.wrap(
                f"{_sample(flag)}  {flag.text}",
                width,
                initial_indent="  ",
                subsequent_indent=" " * 6,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _sample(flag):
    """A flag with its default, as it would be typed."""
    if isinstance(flag.default, bool):
        return f"--{'' if flag.default else '[no]'}{flag.name}"
    if isinstance(flag.default, tuple):
        return f"--{flag.name}={','.join(map(str, flag.default))}"
    return f"--{flag.name}={flag.default}"


def show(text):
    """Prints a text; a reader that is gone, such as `head`, has seen enough of it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The interpreter flushes once more at its end, now into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text, exit_code):
    print(text, file=sys.stderr, flush=True)
    return exit_code


def quiet():
    """Lets the first import of TensorFlow of this process go without its chatter.

    TF_CPP_MIN_LOG_LEVEL is not enough: a part of the lines is written while libraries
    are loaded, before TensorFlow reads it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # No notes; warnings remain.
    if "tensorflow" in sys.modules:
        return
    if not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport:
    """Finds TensorFlow as others do, and filters what its import writes."""

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_quietly(module):
            with without_chatter():
                execute(module)
                # The driver is looked for at the first question for devices.
                module.config.list_physical_devices()

        spec.loader.exec_module = execute_quietly
        return spec


@contextlib.contextmanager
def without_chatter():
    """Drops lines like `CHATTER` from what is written to file descriptor 2 meanwhile.

    A process beside this one reads the lines and writes the others: if this one
    crashes, nothing of what it said last is lost.
    """
    command = [sys.executable, "-I", "-S", "-c", FILTER, *CHATTER]
    try:
        # Its own session: Ctrl-C is for the command, whose last words it still passes.
        reader = subprocess.Popen(
            command, stdin=subprocess.PIPE, start_new_session=True
        )
    except OSError:
        yield
        return
    sys.stderr.flush()
    before = os.dup(2)
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        with contextlib.suppress(subprocess.TimeoutExpired):
            reader.wait(timeout=5)

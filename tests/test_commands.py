"""The commands that pages, cards and docstrings show are taken as they stand."""

import importlib
import pathlib
import re
import shlex

import pytest

from vqzoo import cli, frame

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "recipes/*/README.md", "export/*/README.md")
    for path in ROOT.glob(pattern)
]
SOURCES = list(ROOT.glob("vqzoo/**/*.py"))
NAMES = "|".join((*cli.OWN, *cli.COMMANDS))
SHOWN = re.compile(rf"(?:python -m vqzoo\.[\w.]+|\bvqzoo (?:{NAMES})\b)[^`|#\n]*")
# What a reader is to put in its place, and what Python code puts there.
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|[<>{}]|\.\.\.|\\|\"|$^")
# What names a command and is none: most need something to work on.
NAMED = re.compile(r"vqzoo \w+|python -m vqzoo\.(?!recipes)[\w.]+")


def shown():
    """The commands, each with the first file that shows it."""
    commands = {}
    for path in (*PAGES, *SOURCES):
        for command in SHOWN.findall(path.read_text("utf-8")):
            command = command.strip(" .,;:)")
            if not PLACEHOLDER.search(command) and not NAMED.fullmatch(command):
                commands.setdefault(command, path.relative_to(ROOT))
    return commands


COMMANDS = shown()


def test_there_are_commands():
    assert len(COMMANDS) > 80
    assert {str(path) for path in COMMANDS.values()} >= {"README.md"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_that_is_shown_is_taken(command, monkeypatch):
    monkeypatch.setattr(frame, "_do", lambda *_: (0, None))
    monkeypatch.setattr(frame.gc, "collect", lambda: None)  # a second each
    words = shlex.split(command)
    main = cli.main
    if words[0] == "python":
        _, _, module, *flags = words
        package, _, name = module.rpartition(".")
        # A recipe runs as a program alone: its name is that of `vqzoo train`.
        words = ["vqzoo", "train", name, *flags]
        if package != "vqzoo.recipes":
            is_package = ROOT.joinpath(*module.split(".")).is_dir()
            module = f"{module}.__main__" if is_package else module
            main, words = importlib.import_module(module).main, [module, *flags]
    try:
        exit_code = main(words)
    except SystemExit as ended:
        exit_code = ended.code
    assert exit_code == 0

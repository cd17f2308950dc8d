"""Turns the sections of the house's docstrings into Markdown, for mkdocstrings.

`Args:`, `Returns:` and `Raises:` with lines below them are read by mkdocstrings; what
is said on the line of its heading (`Input shape: ...`) becomes a paragraph, and the
lines of an example a block of code.
"""

import inspect
import re

import griffe

HEADING = re.compile(r"^([A-Z][\w ]{2,20}):(?:\s+(\S.*)|$)")
LISTED = ("Args", "Returns", "Raises", "Yields")


class HouseStyle(griffe.Extension):
    """Applied to each class and function before its docstring is parsed."""

    def on_instance(self, *, obj, **kwargs):
        """Rewrites the docstring in place."""
        if obj.docstring:
            obj.docstring.value = as_markdown(inspect.cleandoc(obj.docstring.value))


def as_markdown(text):
    """A docstring with its sections as Markdown."""
    lines, example = [], False
    for line in text.splitlines():
        found = HEADING.match(line)
        if found and example:
            lines.append("```")
            example = False
        if found and found[1] == "Example":
            lines += ["", "**Example**", "", "```pycon"]
            example = True
        elif found and (found[2] or found[1] not in LISTED):
            lines += ["", f"**{found[1]}:** {found[2] or ''}"]
        elif found:
            lines += ["", line]
        elif example or (lines and lines[-1].startswith(" ") and line.startswith(" ")):
            lines.append(line[4:] if example else line)
        else:
            listed = _section(lines) in LISTED
            lines.append(line if listed else line.lstrip())
    return "\n".join([*lines, "```"] if example else lines)


def _section(lines):
    """The heading below which the next line stands, if mkdocstrings reads it."""
    for line in reversed(lines):
        if line.startswith("**"):
            return ""
        found = HEADING.match(line)
        if found:
            return found[1]
    return ""

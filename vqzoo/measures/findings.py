"""What measures find, before it is a page, and how they are run one after the other."""

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vqzoo import registry

WHOLE = "all of it"


class Skipped(Exception):
    """A measurement that cannot be made of this model or data; the text says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers in rows.

    Args:
        title: str.
        header: sequence of str, the columns with their units.
        rows: sequence of rows, each a name and as many numbers or words as there are
            columns more. What is no finite number is shown as "not defined".
        note: str, below the table.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with what there is to see in it.

    Args:
        title: str.
        text: str: what is shown and how to read it; it stands in for the figure where
            that cannot be seen.
        figure: `matplotlib.figure.Figure`.
        width: float, inches, or None: the figure's own. Wider ones stand alone.
    """

    title: str
    text: str
    figure: Any
    width: float | None = None


@dataclasses.dataclass(kw_only=True)
class Section:
    """The findings of one measure, filled while it measures.

    Args:
        name: str, in metrics.json.
        title: str.
        text: str, what is measured and how to read it.
        glance: dict from names of metrics to words: what a reader looks for first.
        draws: bool: whether pictures are made; a sweep takes numbers alone.
        metrics: dict of floats.
        remarks: list of str, what the numbers say in words.
        tables: list of `Table`.
        pictures: list of `Picture`.
        skipped: dict from what could not be measured to the reason.
    """

    name: str
    title: str
    text: str
    glance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    draws: bool = True
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    remarks: list[str] = dataclasses.field(default_factory=list)
    tables: list[Table] = dataclasses.field(default_factory=list)
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, values: Mapping[str, float], prefix: str = "") -> None:
        """Keeps numbers; those that are not finite are skipped, with their value."""
        prefix = prefix.replace(" ", "_")
        for name, value in values.items():
            if math.isfinite(value):
                self.metrics[prefix + name] = float(value)
            else:
                self.skipped[prefix + name] = f"came out as {value}"

    def table(self, title, header, rows, note=""):
        """Adds a `Table`, if there are rows."""
        if rows:
            table = Table(title=title, header=header, rows=list(rows), note=note)
            self.tables.append(table)

    def picture(
        self, title: str, text: str, draw: Callable[[], Any], width: float | None = None
    ) -> None:
        """Adds a `Picture` of the figure that `draw()` makes, if pictures are made."""
        if self.draws:
            self.pictures.append(
                Picture(title=title, text=text, figure=draw(), width=width)
            )

    @contextlib.contextmanager
    def attempt(self, what: str):
        """What is measured within may be impossible; then the reason is kept."""
        try:
            yield
        except (Skipped, ValueError) as error:
            self.skipped[what] = str(error)


def modules(names=()):
    """The modules of measures in their order on a page.

    A measure is a module of this folder with the words ORDER (a number, its place on a
    page), TITLE, TEXT (what is measured and how to read it) and a function of a
    `Subject` and a `Section` which is `registry.named` as the module is. It may have
    GLANCE: the words for those of its numbers that a reader looks for first; and ITEMS,
    what the models are of that it measures, images where it says nothing.

    Args:
        names: of measures; all, if there are none.
    """
    functions = [
        registry.find("measures", name) for name in names or registry.names("measures")
    ]
    chosen = [sys.modules[function.__module__] for function in functions]
    return sorted(chosen, key=lambda module: module.ORDER)


def names_of(item):
    """Names of the measures of models of an item, such as `"vector"`, in order."""
    chosen = (module for module in modules() if item in _items(module))
    return [module.__name__.rpartition(".")[2] for module in chosen]


def _items(module):
    return getattr(module, "ITEMS", ("image",))


def measure(
    subject,
    names=(),
    *,
    draws=True,
    on_start=lambda title: None,
    on_done=lambda section, seconds: None,
):
    """Measures; what cannot be measured says why and stops nothing.

    Args:
        subject: `Subject`.
        names: of measures; all of models of its items, if there are none.
        draws: bool: with pictures, as a page wants them, or numbers alone.
        on_start: function of the title of a section that begins.
        on_done: function of a finished section and of its seconds.

    Returns:
        list of `Section`.
    """
    sections = []
    item = subject.model.item
    for module in modules(names or names_of(item)):
        name = module.__name__.rpartition(".")[2]
        section = Section(
            name=name,
            title=module.TITLE,
            text=module.TEXT,
            glance=getattr(module, "GLANCE", {}),
            draws=draws,
        )
        on_start(section.title)
        began = time.monotonic()
        with section.attempt(WHOLE):
            if item not in _items(module):
                raise Skipped(
                    f"it measures {_items(module)[0]}s, the model is of {item}s"
                )
            registry.find("measures", name)(subject, section)
        sections.append(section)
        on_done(section, time.monotonic() - began)
    return sections


def as_json(sections):
    """The numbers of sections, and what is missing: a dict that JSON can hold."""
    return {
        "metrics": {s.name: s.metrics for s in sections if s.metrics},
        "skipped": {s.name: s.skipped for s in sections if s.skipped},
    }

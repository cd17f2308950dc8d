"""What a report is made of, before it is a page."""

import contextlib
import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any


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
    """One measurement of a report, filled while it is made.

    Args:
        name: str, in metrics.json.
        title: str.
        text: str, what is measured and how to read it.
        metrics: dict of floats.
        remarks: list of str, what the numbers say in words.
        tables: list of `Table`.
        pictures: list of `Picture`.
        skipped: dict from what could not be measured to the reason.
    """

    name: str
    title: str
    text: str
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    remarks: list[str] = dataclasses.field(default_factory=list)
    tables: list[Table] = dataclasses.field(default_factory=list)
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, values: Mapping[str, float], prefix: str = "") -> None:
        """Keeps numbers; those that are not finite are skipped, with their value."""
        for name, value in values.items():
            if math.isfinite(value):
                self.metrics[prefix + name] = float(value)
            else:
                self.skipped[prefix + name] = f"came out as {value}"

    def table(self, title, header, rows, note=""):
        """Adds a `Table`."""
        table = Table(title=title, header=header, rows=list(rows), note=note)
        self.tables.append(table)

    def picture(self, title, text, figure, width=None):
        """Adds a `Picture`."""
        picture = Picture(title=title, text=text, figure=figure, width=width)
        self.pictures.append(picture)

    @contextlib.contextmanager
    def attempt(self, what: str):
        """What is measured within may be impossible; then the reason is kept."""
        try:
            yield
        except (Skipped, ValueError) as error:
            self.skipped[what] = str(error)


def shown(value: Any) -> str:
    """A number or word as a table shows it: about four digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        return str(value)
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if not math.isfinite(value):
        return "not defined"
    if value and abs(value) < 0.01:
        return f"{value:.4g}"
    digits = max(0, 4 - len(str(int(abs(value))))) if abs(value) >= 1 else 4
    return f"{value:,.{digits}f}"

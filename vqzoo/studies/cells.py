"""How numbers of runs stand in the cells of a page, and where they come from."""

import json
import statistics

from vqzoo.report import shown
from vqzoo.runs.folder import SETTINGS
from vqzoo.studies import sweep_table


class Column:
    """A number of runs and how it is shown: `name|title|.2f dB`; `%` is `.1%`."""

    def __init__(self, text):
        self.name, title, form = (*text.split("|"), "", "")[:3]
        self.title = title or sweep_table.words(self.name)
        spec, _, unit = form.partition(" ")
        self.spec = {"%": ".1%"}.get(spec, spec)
        self.unit = f" {unit}" if unit else ""

    def values(self, runs):
        """The number of each run that has it."""
        return [
            run["metrics"][self.name] for run in runs if self.name in run["metrics"]
        ]

    def middle(self, values):
        """The median as text; "" of no values."""
        return f"{self._shown(statistics.median(values))}{self.unit}" if values else ""

    def cell(self, values):
        """The median and the range as text."""
        if not values:
            return "-"
        low, middle, high = map(
            self._shown, (min(values), statistics.median(values), max(values))
        )
        spread = f" ({low} to {high})" if low != high else ""
        return f"{middle}{spread}{self.unit}"

    def _shown(self, value):
        if not self.spec:
            return shown(value)
        return format(round(value) if self.spec == "," else value, self.spec)


def markdown(lines):
    """A table in Markdown; the first line is its head."""
    head, *rows = [list(map(str, line)) for line in lines]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verdict(value, target, at_least=True):
    """Whether a figure reaches its target, and by how much it does not."""
    if value >= target if at_least else value <= target:
        return "met"
    return f"missed by {abs(value / target - 1):.0%}"


def machines(results):
    """The machines in a file of results, each once."""
    found = {}
    cases = (
        results,
        *results.get("cases", {}).values(),
        *results.get("runs", {}).values(),
    )
    for case in cases:
        if "machine" in case:
            machine = case["machine"]
            found[machine["cpu"], machine["date"]] = machine
    return found.values()


def facts(path):
    """Machine, precision and date of the runs in a file, as far as they are kept."""
    kept = json.loads(path.read_text("utf-8"))
    if isinstance(kept, dict):
        machine = kept.get("machine", {})
        return [machine[key] for key in ("cpu", "date") if key in machine]
    settings = path.parent / SETTINGS
    kept = json.loads(settings.read_text("utf-8")) if settings.exists() else {}
    return [kept[key] for key in ("device", "dtype_policy", "date") if key in kept]

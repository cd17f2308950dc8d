"""Tables of kept rows: `python -m vqzoo.studies.table FILE NUMBER... [over=X]`.

FILE is the sweep.json of a sweep, or a file of rows beside a card, or a card. Each
NUMBER is a column of medians over the seeds, with the least and the most;
`over=CONDITION` adds a table of ratios to that condition, seed by seed.
"""

import pathlib
import re
import sys

from vqzoo.runs import files
from vqzoo.studies import sweep_table

_NUMBER = re.compile(r"-?[\d,]*\.?\d+")
_SEED = re.compile(r"(?:,? seed|,) (\d+)$")


def read(path):
    """Rows as a sweep has them: a list of dicts.

    Args:
        path: of a sweep.json; of a file with `rows` (or `runs`) by a key of words,
            which ends with the seed, to flat dicts of numbers; of a metrics.json, whose
            sections are conditions; or of a card with tables, whose lines are.
    """
    path = pathlib.Path(path)
    if path.suffix == ".md":
        return [_row(*line) for line in _lines(path.read_text("utf-8"))]
    kept = files.read_json(path)
    if isinstance(kept, list):
        return kept
    rows = kept.get("rows") or kept.get("runs") or kept
    return [_row(key, row) for key, row in rows.items() if isinstance(row, dict)]


def _lines(text):
    """The lines of the tables in Markdown: name and dict from heads to numbers."""
    head = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = [cell.strip() for cell in line.strip().strip("|").split("|")]
        elif set(line) - set("|-: "):
            numbers = {
                name: float(found[0].replace(",", ""))
                for name, cell in zip(head[1:], cells[1:])
                if (found := _NUMBER.match(cell))
            }
            yield cells[0], numbers


def _row(key, row):
    seed = _SEED.search(key)
    numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
    return {
        "condition": _SEED.sub("", key),
        "seed": int(seed[1]) if seed else row.get("seed", 0),
        "metrics": numbers,
    }


def main(argv):
    """Prints the table that the command line asks for; returns the exit code."""
    path, *numbers = argv[1:] or [""]
    baselines = [word.removeprefix("over=") for word in numbers if "over=" in word]
    numbers = [word for word in numbers if "over=" not in word]
    if not numbers:
        print(__doc__, file=sys.stderr)
        return 2
    if not pathlib.Path(path).is_file():
        print(f"Error: expected a file of rows, received {path}", file=sys.stderr)
        return 1
    print(sweep_table.table(read(path), numbers, *baselines[:1]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

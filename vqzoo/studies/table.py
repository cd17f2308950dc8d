"""Tables of kept rows: `python -m vqzoo.studies.table FILE NUMBER... [over=X]`.

FILE is the sweep.json of a sweep, or a file of rows that the commands before it left
beside a card. Each NUMBER is a column of medians over the seeds, with the least and the
most; `over=CONDITION` adds a table of ratios to that condition, seed by seed.
"""

import pathlib
import re
import sys

from vqzoo.runs import files
from vqzoo.studies import sweep_table

_SEED = re.compile(r"(?:,? seed|,) (\d+)$")


def read(path):
    """Rows as a sweep has them: a list of dicts.

    Args:
        path: of a sweep.json, or of a file with `rows` (or `runs`) by a key of words,
            which ends with the seed, to flat dicts of numbers.
    """
    kept = files.read_json(pathlib.Path(path))
    if isinstance(kept, list):
        return kept
    rows = kept["rows"] if "rows" in kept else kept["runs"]
    return [_row(key, row) for key, row in rows.items()]


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

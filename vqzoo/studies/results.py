"""Writes the pages of results from the files that hold them: `vqzoo results --write`.

A page in docs/ has its tables, numbers and plots between two marks, and what stands
there is made from the files that the first mark names:

    <!-- rows recipes/NAME/sweep.json "number|heading|.2f dB" where=REGEX -->
    <!-- end -->

Without --write it says which pages and files disagree, and ends with exit code 1.
"""

import functools
import hashlib
import io
import json
import pathlib
import re
import shlex
import statistics
import sys

from vqzoo import frame, plots
from vqzoo.runs.files import RunError
from vqzoo.studies import (
    cells,
    claims,
    codec_rows,
    encode_rows,
    footprint,
    identifier_rows,
    scale,
    speed,
    sweep_table,
    table,
)

# A comment before a mark, such as "not run: WHY", is none of it.
MARKED = re.compile(
    r"(<!-- (\w+)\b([^>]*?) ?-->)((?:(?!<!--).)*?)(<!-- end -->)", re.DOTALL
)
PICTURES = "pictures"
FLAGS = {"Pages": [frame.Flag("write", False, "write them; without it, compare")]}


def pages(root):
    """The pages as their files want them: dict from path to str or bytes.

    Args:
        root: path of a checkout.

    Returns:
        Markdown of each page in docs/ with marks, and the plots that are not of the
        numbers in the files, as PNG.

    Raises:
        ValueError: if a mark names no maker, no file, or numbers that a file lacks.
    """
    root = pathlib.Path(root)
    made = {}
    for path in sorted((root / "docs").rglob("*.md")):
        text = path.read_text("utf-8")
        if "<!-- end -->" in text:
            page = Page(root, path)
            made[path] = MARKED.sub(page.fill, text)
            made |= page.pictures
    return made


def stale(root):
    """The paths of `pages` that are not as the files want them."""
    return {
        path: content
        for path, content in pages(root).items()
        if isinstance(content, bytes) or content != path.read_text("utf-8")
    }


class Page:
    """What marks on one page can ask for.

    Args:
        root: path of a checkout.
        path: path of the page.
    """

    def __init__(self, root, path):
        self.root, self.path, self.pictures = root, path, {}

    def fill(self, match):
        """The text of a mark with what belongs in it."""
        opening, name, words, _, closing = match.groups()
        words = shlex.split(words)
        options = dict(word.split("=", 1) for word in words if _is_option(word))
        words = [word for word in words if not _is_option(word)]
        try:
            text = getattr(self, f"make_{name}")(*words, **options)
        except (AttributeError, TypeError, KeyError, OSError, RunError) as error:
            raise ValueError(
                f"{self.path}: expected a mark that can be made, received {opening} "
                f"({type(error).__name__}: {error})"
            ) from None
        inside = text if name == "value" else f"\n\n{text.strip()}\n\n"
        return f"{opening}{inside}{closing}"

    def make_rows(self, file, *columns, **options):
        """A table: a line for each condition, medians and range of its seeds."""
        columns = [cells.Column(text) for text in columns]
        lines = [
            [options.get("heading", "condition"), "n", *(c.title for c in columns)]
        ]
        for condition, runs in self._groups(file, options).items():
            found = [column.cell(column.values(runs)) for column in columns]
            lines.append([condition, str(len(runs)), *found])
        return f"{cells.markdown(lines)}\n\n{self.make_source(file)}"

    def make_turned(self, file, *columns, **options):
        """A table: a line for each number, a column for each condition."""
        groups = self._groups(file, options)
        heads = [f"{name} (n = {len(runs)})" for name, runs in groups.items()]
        lines = [["median (range)", *heads]]
        for column in map(cells.Column, columns):
            found = [column.cell(column.values(runs)) for runs in groups.values()]
            lines.append([column.title, *found])
        return f"{cells.markdown(lines)}\n\n{self.make_source(file)}"

    def make_over(self, file, baseline, *columns, **options):
        """A table of ratios to the baseline with the same seed, median and range."""
        groups = self._groups(file, options)
        base = {row["seed"]: row for row in groups.pop(baseline)}
        columns = [cells.Column(text) for text in columns]
        lines = [[f"over {baseline}", "n", *(column.title for column in columns)]]
        for condition, runs in groups.items():
            ratios = [sweep_table.ratios(runs, base, column.name) for column in columns]
            found = [c.cell(values) for c, values in zip(columns, ratios)]
            lines.append([condition, str(len(runs)), *found])
        return cells.markdown(lines)

    def make_grid(self, file, *columns, **options):
        """A table of sizes: a line for each maker, `CELL|heading|SIZE` a cell.

        Conditions are `NAME SIZE ...`; a cell `a+b` joins two numbers.
        """
        groups = self._groups(file, options)
        names = list(dict.fromkeys(name.split()[0] for name in groups))
        heads, lines = [], []
        for text in columns:
            numbers, title, size, *formats = text.split("|")
            parts = zip(numbers.split("+"), formats)
            made = [cells.Column(f"{name}|{title}|{form}") for name, form in parts]
            heads.append((title, size, made))
        for name in sorted(names):
            line = [f"`{name}`"]
            for _, size, made in heads:
                runs = [
                    r
                    for c in groups
                    if c.split()[:2] == [name, size]
                    for r in groups[c]
                ]
                values = [column.middle(column.values(runs)) for column in made]
                line.append(", ".join(filter(None, values)) or "-")
            lines.append(line)
        head = [options.get("heading", "quantizer"), *(title for title, *_ in heads)]
        return f"{cells.markdown([head, *lines])}\n\n{self.make_source(file)}"

    def make_value(self, file, condition, column, **options):
        """One number in a sentence, with its range where `range=yes`."""
        column = cells.Column(column)
        values = column.values(self._groups(file, options)[condition])
        if not values:
            raise KeyError(column.name)
        whole = options.get("range") == "yes"
        return column.cell(values) if whole else column.middle(values)

    def make_entry(self, file, *keys, format=""):
        """One number of a JSON file in a sentence, by its keys."""
        value = json.loads((self.root / file).read_text("utf-8"))
        for key in keys:
            value = value[int(key) if isinstance(value, list) else key]
        return cells.Column(f"{keys[-1]}||{format}").middle([value])

    def make_speed(self, name):
        """A table of benchmarks/results: `codec`, or of a name in `makers`."""
        makers = {
            "others": speed.beside_others,
            "twins": speed.twins,
            "converted": speed.converted,
            "originals": speed.originals,
        }
        tables = ("targets", "unique", "options", "noise", "stability", "timings")
        of_encoding = ("measured", "inputs", "costs", "failures")
        makers |= {f"encode_{t}": getattr(encode_rows, t) for t in of_encoding}
        makers |= {f"ids_{t}": getattr(identifier_rows, t) for t in tables}
        if name == "codec":
            lines = codec_rows.files(self._benchmark("codec"))
        else:
            lines = makers[name](self._benchmark)
        return cells.markdown(lines)

    def make_machines(self, *names):
        """What benchmarks ran on, and when."""
        lines = [["benchmark", "machine", "bfloat16", "date", "file"]]
        for name in names:
            results = self._benchmark(name)
            for machine in cells.machines(results):
                file = f"benchmarks/results/{name}.json"
                bfloat16 = "yes" if machine["bfloat16"] else "no"
                lines.append(
                    [name, machine["cpu"], bfloat16, machine["date"], self._link(file)]
                )
        return cells.markdown(lines)

    def make_scale(self):
        """What a step, a sample and an evaluation of every named model take."""
        return cells.markdown(scale.lines(self._benchmark("scale")))

    def make_footprint(self):
        """Energy and carbon dioxide of the training of each card, and of all."""
        return cells.markdown(footprint.lines(self.root))

    def make_claims(self, file):
        """What texts claim, and what the files say."""
        return claims.page(claims.read(self.root / file), self.root, self._link)

    def make_source(self, file):
        """A line on where numbers come from: seeds, machine, precision, date, file."""
        rows = table.read(self.root / file)
        seeds = sorted({row["seed"] for row in rows})
        facts = [f"seeds {', '.join(map(str, seeds))}", *cells.facts(self.root / file)]
        return f"*{'; '.join(facts)}; {self._link(file)}*"

    def make_bars(self, name, file, column, label, **options):
        """A picture: a bar for each condition, the longest at the top."""
        column = cells.Column(column)
        values = {
            condition: statistics.median(column.values(runs))
            for condition, runs in self._groups(file, options).items()
            if column.values(runs)
        }
        values = dict(sorted(values.items(), key=lambda pair: -pair[1]))
        return self._picture(name, label, plots.bars, values, label)

    def make_curves(self, name, file, column, x_label, y_label, **options):
        """A picture: a line for each name of conditions `NAME PLACE ...`."""
        column, lines = cells.Column(column), {}
        for condition, runs in self._groups(file, options).items():
            values = column.values(runs)
            series, place = re.match(
                options.get("split", r"(.+) ([\d.]+)"), condition
            ).groups()
            if values:
                lines.setdefault(series, []).append(
                    (float(place), statistics.median(values))
                )
        least = int(options.get("least", 2))
        lines = {k: tuple(zip(*sorted(v))) for k, v in lines.items() if len(v) >= least}
        draw = functools.partial(plots.curves, log_x=options.get("log") == "yes")
        return self._picture(name, y_label, draw, lines, x_label, y_label)

    def make_times(self, name, label):
        """A picture: how many times as fast as its twin each quantizer trains."""
        pairs = self._benchmark("quantizer_twins")["pairs"]
        times = {key: pair["times_faster"]["median"] for key, pair in pairs.items()}
        times = dict(sorted(times.items(), key=lambda pair: -pair[1]))
        return self._picture(name, label, plots.bars, times, label)

    def make_rates(self, name, set_of_images):
        """A picture: PSNR over bits per pixel of the codec, JPEG and WebP."""
        run = self._benchmark("codec")["runs"][set_of_images]
        rates = run["rate_distortion"]
        series = {
            "vqzoo": ([run["modes"][run["mode"]]["bits_per_pixel"]], [rates["psnr"]])
        }
        for peer in ("jpeg", "webp"):
            points = sorted(
                (p["bits_per_pixel"], p["psnr"]) for p in rates["curves"][peer]
            )
            series[peer.upper()] = tuple(zip(*points))
        labels = "bits per pixel, with all headers", "PSNR (dB)"
        return self._picture(name, labels[1], plots.curves, series, *labels)

    def _picture(self, name, alternative, draw, numbers, *labels):
        """Draws what is not drawn already; a PNG holds the sum of its numbers."""
        total = hashlib.sha256(json.dumps([numbers, labels]).encode()).hexdigest()
        path = self.path.parent / PICTURES / f"{name}.png"
        if not path.exists() or total.encode() not in path.read_bytes():
            file = io.BytesIO()
            figure = draw(numbers, *labels)
            figure.savefig(file, format="png", dpi=110, metadata={"Comment": total})
            self.pictures[path] = file.getvalue()
        return f"![{alternative}]({PICTURES}/{name}.png)"

    def _groups(self, file, options):
        """Runs by condition, those that `where` finds, as `rename` calls them."""
        changes = [c.split("~", 1) for c in options.get("rename", "").split(";") if c]
        groups = {}
        for row in table.read(self.root / file):
            name = row["condition"]
            if re.search(options.get("where", ""), name) and row["metrics"]:
                for old, new in changes:
                    name = re.sub(old, new, name)
                groups.setdefault(name, []).append(row)
        if not groups:
            raise KeyError(f"no rows in {file}")
        return groups

    def _benchmark(self, name):
        path = self.root / "benchmarks" / "results" / f"{name}.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    def _link(self, file):
        up = "../" * len(self.path.parent.relative_to(self.root).parts)
        return f"[{file}]({up}{file})"


def _is_option(word):
    return re.match(r"[a-z]+=", word) is not None


def main(argv=None):
    """Writes or compares the pages of the folder it is called in; the exit code."""

    def work(values):
        root = pathlib.Path.cwd()
        if not (root / "docs").is_dir():
            raise ValueError(f"expected a checkout with docs/, received {root}")
        late = stale(root)
        for path, content in late.items():
            print(path.relative_to(root))
            if values.write:
                path.parent.mkdir(exist_ok=True)
                data = content if isinstance(content, bytes) else content.encode()
                path.write_bytes(data)
        return int(bool(late) and not values.write)

    return frame.run(sys.argv if argv is None else argv, __doc__, FLAGS, work)


if __name__ == "__main__":
    sys.exit(main())

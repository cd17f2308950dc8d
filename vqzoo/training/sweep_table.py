"""What a sweep shows: a table of medians and spreads, and curves."""

import re
import statistics

import numpy as np

from vqzoo import plots
from vqzoo.evaluation.agreement import rank_correlations
from vqzoo.report import shown
from vqzoo.training import files

TABLE = "table.md"
_FORMAT_RATE = re.compile(r"rate_distortion\.(jpeg|webp)_(\d+)_bits_per_pixel")
_FORMAT_NAMES = {"jpeg": "JPEG", "webp": "WebP"}
_OF_STUDY = "disentanglement."


def medians(recipe, rows):
    """Medians over the seeds: a flat dict of floats, `CONDITION: MEASUREMENT.NUMBER`.

    Args:
        recipe: `SweepRecipe`.
        rows: list of dicts with `condition` and `metrics`.
    """
    return {
        f"{condition}: {name}": statistics.median(values)
        for condition, of_condition in _by_condition(rows).items()
        for name in recipe.shown
        if (values := _values(of_condition, name))
    }


def write(recipe, rows, folder):
    """Writes the table and the pictures of a sweep.

    Args:
        recipe: `SweepRecipe`.
        rows: list of dicts with `condition`, `series`, `place`, `seed`, `metrics`.
        folder: `pathlib.Path`.
    """
    with files.replacing(folder / TABLE) as aside:
        aside.write_text(table(recipe, rows))
    for name in recipe.shown:
        series, spreads = _curves(recipe, rows, name)
        if series:
            look = {"log_x": _is_rate(recipe.axis), "spreads": spreads}
            figure = plots.curves(series, words(recipe.axis), words(name), **look)
            picture = name.replace(".", "_")
            files.save_figure(figure, folder / f"{picture}.png")
    figure = _agreement(rows)
    if figure is not None:
        files.save_figure(figure, folder / "agreement.png")


def table(recipe, rows):
    """The table as Markdown: of each condition medians, least and most of the seeds.

    Args:
        recipe: `SweepRecipe`.
        rows: as of `write`.
    """
    lines = [["condition", "seeds", *map(words, recipe.shown)]]
    for condition, of_condition in _by_condition(rows).items():
        cells = [_cell(_values(of_condition, name)) for name in recipe.shown]
        lines.append([condition, str(len(of_condition)), *cells])
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def words(name):
    """A number's name for people: `probe.top_accuracy` is `top accuracy (probe)`."""
    section, dot, number = name.partition(".")
    number = number.replace("_", " ")
    return f"{number} ({section.replace('_', ' ')})" if dot else name


def _by_condition(rows):
    found = {}
    for row in rows:
        found.setdefault(row["condition"], []).append(row)
    return found


def _values(rows, name):
    return [row["metrics"][name] for row in rows if name in row["metrics"]]


def _cell(values):
    if not values:
        return "-"
    middle = shown(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({shown(min(values))} to {shown(max(values))})"


def _curves(recipe, rows, name):
    """Series and spreads for `plots.curves`; levels are lines from end to end."""
    points, levels = {}, {}
    for condition in _by_condition(rows).values():
        values = _values(condition, name)
        places = _values(condition, recipe.axis)
        place = statistics.median(places) if places else condition[0]["place"]
        if not values or name == recipe.axis:
            continue
        point = statistics.median(values), (max(values) - min(values)) / 2
        if place is None:
            levels[condition[0]["condition"]] = point[0]
        else:
            series = condition[0]["series"]
            points.setdefault(series, []).append((place, *point))
    series, spreads = {}, {}
    for key, found in points.items():
        x, y, spread = zip(*sorted(found))
        series[key], spreads[key] = (x, y), spread
    if series and name == "reconstruction.psnr" and _is_rate(recipe.axis):
        series |= _image_formats(rows)
    ends = [place for x, _ in series.values() for place in x]
    for key, level in levels.items() if ends else ():
        series[key] = (min(ends), max(ends)), (level, level)
    return series, spreads


def _is_rate(name):
    return name.endswith("_bits_per_pixel")


def _image_formats(rows):
    """Rate and PSNR of JPEG and WebP on the same images, where they were measured."""
    metrics, found = rows[0]["metrics"], {}
    for name in metrics:
        match = _FORMAT_RATE.fullmatch(name)
        if match:
            psnr = metrics[name.replace("bits_per_pixel", "psnr")]
            found.setdefault(_FORMAT_NAMES[match[1]], []).append((metrics[name], psnr))
    return {name: tuple(zip(*sorted(points))) for name, points in found.items()}


def _agreement(rows):
    """How far the measures of disentanglement rank all runs alike, or None."""
    scores = [
        {k.removeprefix(_OF_STUDY): v for k, v in row["metrics"].items()}
        for row in rows
        if any(k.startswith(_OF_STUDY) for k in row["metrics"])
    ]
    names = [k.removeprefix(_OF_STUDY) for k in rows[0]["metrics"] if _OF_STUDY in k]
    names = [name for name in names if all(name in row for row in scores)]
    if len(scores) < 3 or not names:
        return None
    names, matrix = rank_correlations([{k: row[k] for k in names} for row in scores])
    labels = [name.replace("_", " ") for name in names]
    return plots.heat_map(
        np.round(matrix, 2),
        labels,
        labels,
        key="rank correlation over all runs",
        limits=(-1.0, 1.0),
    )

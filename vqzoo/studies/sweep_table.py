"""What a sweep shows: a table of medians and spreads, and curves."""

import itertools
import re
import statistics

import numpy as np

from vqzoo import plots
from vqzoo.measures import disentanglement
from vqzoo.report import shown

TABLE = "table.md"
_FORMAT_RATE = re.compile(r"rate_distortion\.(jpeg|webp)_(\d+)_bits_per_pixel")
_FORMAT_NAMES = {"jpeg": "JPEG", "webp": "WebP"}
_MOVED = re.compile(r"brittleness\.(\w+?)_([\d.]+)_(\d+)_psnr")
_DISENTANGLEMENT = "disentanglement."
_AT_FLOOR = "(*)"
_ACRONYMS = {"dci": "DCI", "psnr": "PSNR", "ssim": "SSIM", "vae": "VAE"}


def medians(shown, rows):
    """Medians over the seeds: a flat dict of floats, `CONDITION: MEASUREMENT.NUMBER`.

    Args:
        shown: sequence of str, names of numbers.
        rows: list of dicts with `condition` and `metrics`; those of runs that failed
            have no metrics.
    """
    return {
        f"{condition}: {name}": statistics.median(values)
        for condition, runs in _by_condition(rows).items()
        for name in shown
        if (values := _values(runs, name))
    }


def pictures(recipe, rows):
    """The pictures of a sweep: a dict of figures by their names.

    Args:
        recipe: `SweepRecipe`.
        rows: list of dicts with `condition`, `series`, `place`, `seed`, `metrics`, and
            `failed`, the reason, where a run did.
    """
    figures = {n.replace(".", "_"): _picture(recipe, rows, n) for n in recipe.shown}
    figures["agreement"] = _agreement(rows)
    figures["efficiency"] = _efficiency(rows)
    return {name: figure for name, figure in figures.items() if figure is not None}


def table(rows, shown, baseline=""):
    """The table as Markdown: of each condition medians, least and most of the seeds.

    Args:
        rows: as in `pictures`.
        shown: sequence of str, names of numbers.
        baseline: str, a condition over whose numbers those of the others come in a
            second table; none if empty.
    """
    groups = _by_condition(rows)
    text = _lines(shown, groups, _marked_cell)
    if _AT_FLOOR in text:
        text += f"\n{_AT_FLOOR} Not above what factors in another order give.\n"
    if baseline:
        groups = {name: runs for name, runs in groups.items() if name != baseline}
        base = {row["seed"]: row for row in rows if row["condition"] == baseline}
        text += f"\nOver {baseline}, seed by seed:\n\n" + _lines(
            shown, groups, lambda runs, name: _cell(ratios(runs, base, name))
        )
    failed = [row for row in rows if "failed" in row]
    return text + (f"\nFailed: {failures(failed)}.\n" if failed else "")


def _lines(shown, groups, cell):
    """Markdown, a line for each condition; `cell` makes its runs' cell of a number."""
    lines = [["condition", "seeds", *map(words, shown)]]
    for condition, runs in groups.items():
        cells = [cell(runs, name) for name in shown]
        lines.append([condition, _count(runs), *cells])
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def ratios(runs, base, name):
    """A number of each run over that of the baseline with the same seed."""
    pairs = [(run, base[run["seed"]]) for run in runs if run["seed"] in base]
    return [
        run["metrics"][name] / other["metrics"][name]
        for run, other in pairs
        if name in run["metrics"] and other["metrics"].get(name)
    ]


def failures(rows):
    """Which runs failed, and why, in a line."""
    return "; ".join(
        f"{row['condition']}, seed {row['seed']} ({row['failed']})" for row in rows
    )


def words(name):
    """A number's name for people: `probe.top_accuracy` is `top accuracy (probe)`."""
    moved = _MOVED.fullmatch(name)
    if moved:
        tier, share, distance = moved.groups()
        indices = f"{tier.replace('_', ' ')} indices"
        return f"PSNR (dB), {float(share):.0%} of {indices} moved by {distance}"
    section, dot, number = name.partition(".")
    number = " ".join(_ACRONYMS.get(word, word) for word in number.split("_"))
    return f"{number} ({section.replace('_', ' ')})" if dot else name


def _by_condition(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row["condition"], []).append(row)
    return groups


def _values(rows, name):
    return [row["metrics"][name] for row in rows if name in row["metrics"]]


def _count(rows):
    """How many runs have numbers, and how many failed."""
    failed = sum("failed" in row for row in rows)
    return f"{len(rows) - failed}" + (f", {failed} failed" if failed else "")


def _marked_cell(runs, name):
    """The cell of a number, marked where no run is above the floor of its measure."""
    scores = [row["metrics"] for row in runs if name in row["metrics"]]
    above = any(disentanglement.above_floor(row, name) for row in scores)
    cell = _cell([row[name] for row in scores])
    return cell if above or not scores else f"{cell} {_AT_FLOOR}"


def _cell(values):
    if not values:
        return "-"
    middle = shown(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({shown(min(values))} to {shown(max(values))})"


def _picture(recipe, rows, name):
    """Curves of a number over the axis, or bars where nothing has a place on it."""
    series, spreads, levels = _curves(recipe, rows, name)
    if series:
        look = {"log_x": _is_rate(recipe.axis), "spreads": spreads}
        return plots.curves(series, words(recipe.axis), words(name), **look)
    return plots.bars(levels, words(name)) if levels else None


def _curves(recipe, rows, name):
    """Series and spreads for `plots.curves`, where levels are lines from end to end.

    Returns:
        `(series, spreads, levels)`: spreads from the medians to the least and the most
        of the seeds; levels, a dict of floats, of the conditions that have no place on
        the axis: not by their name, or not measured.
    """
    points, levels = {}, {}
    for condition in _by_condition(rows).values():
        values = _values(condition, name)
        place = _place(recipe, condition)
        if not values or name == recipe.axis:
            continue
        middle = statistics.median(values)
        if place is None:
            levels[condition[0]["condition"]] = middle
        else:
            point = place, middle, middle - min(values), max(values) - middle
            series = condition[0]["series"]
            points.setdefault(series, []).append(point)
    series, spreads = {}, {}
    for key, found in points.items():
        x, y, *spread = zip(*sorted(found))
        series[key], spreads[key] = (x, y), tuple(spread)
    if series and name == "rate_distortion.psnr" and _is_rate(recipe.axis):
        series |= _image_formats(rows)
    ends = [place for x, _ in series.values() for place in x]
    for key, level in levels.items() if ends else ():
        line = f"{key}, level" if key in points else key
        series[line] = (min(ends), max(ends)), (level, level)
    return series, spreads, levels


def _place(recipe, condition):
    """Where a condition stands: its number, or what was measured; None for neither."""
    if "." not in recipe.axis:
        return condition[0]["place"]
    places = _values(condition, recipe.axis)
    return statistics.median(places) if places else None


def _is_rate(name):
    return name.endswith("_bits_per_pixel")


def _image_formats(rows):
    """Rate and PSNR of JPEG and WebP on the same images, where they were measured."""
    found = {}
    for metrics in (row["metrics"] for row in rows):
        for name in metrics if not found else ():
            match = _FORMAT_RATE.fullmatch(name)
            if match:
                point = metrics[name], metrics[name.replace("bits_per_pixel", "psnr")]
                found.setdefault(_FORMAT_NAMES[match[1]], []).append(point)
    return {name: tuple(zip(*sorted(points))) for name, points in found.items()}


def _agreement(rows):
    """How far the measures of disentanglement rank all runs alike, or None."""
    scores = [
        {
            name.removeprefix(_DISENTANGLEMENT): value
            for name, value in row["metrics"].items()
            if name.startswith(_DISENTANGLEMENT)
        }
        for row in rows
    ]
    scores = [row for row in scores if row]
    if len(scores) < 3:
        return None
    names = [
        name
        for name in scores[0]
        if "_floor" not in name and all(name in row for row in scores)
    ]
    if not names:
        return None
    # What is not above its floor ranks nothing but noise.
    names, matrix = rank_correlations(
        [
            {k: row[k] if disentanglement.above_floor(row, k) else None for k in names}
            for row in scores
        ]
    )
    labels = [name.replace("_", " ") for name in names]
    return plots.heat_map(
        np.round(matrix, 2),
        labels,
        labels,
        key="rank correlation over all runs",
        limits=(-1.0, 1.0),
    )


def _efficiency(rows):
    """How few labels do, over the FactorVAE score: a point for each run, or None.

    Source: Locatello et al. 2019, arXiv 1811.12359, in the lecture figure 6.
    """
    names = [
        f"{_DISENTANGLEMENT}{n}" for n in ("factor_vae", "boosted_trees_efficiency")
    ]
    found = [row for row in rows if all(name in row["metrics"] for name in names)]
    if len(found) < 3:
        return None
    points = np.array([[row["metrics"][name] for name in names] for row in found])
    conditions = list(dict.fromkeys(row["condition"] for row in found))
    labels = np.array([conditions.index(row["condition"]) for row in found])
    axes = ("FactorVAE score", "accuracy, 100 labels over most")
    return plots.scatter(points, labels, axes=axes, names=conditions)


def rank_correlations(rows):
    """Spearman's rank correlation of every pair of measures over models.

    Args:
        rows: list of dicts from a measure's name to a float or None, which leaves the
            model out of the measure's pairs; a dict for each model, all with the same
            names; 3 models or more.

    Returns:
        `(names, matrix)`: list of str, and float `(M, M)` in [-1, 1] with ones on the
        diagonal. A measure that is the same for all models ranks none, and neither do
        fewer than 3 models: 0.

    Raises:
        ValueError: if there are fewer than 3 models, or their measures differ.

    Source: Locatello et al. 2019, arXiv 1811.12359, figure 2.
    """
    names = list(rows[0]) if rows else []
    if len(rows) < 3 or any(list(row) != names for row in rows):
        raise ValueError(
            "expected the same measures of at least 3 models, received "
            f"{[list(row) for row in rows]}"
        )
    table = np.array([[row[name] for row in rows] for name in names], float)
    matrix = np.eye(len(names))
    for i, j in itertools.combinations(range(len(names)), 2):
        both = np.isfinite(table[[i, j]]).all(axis=0)
        matrix[i, j] = matrix[j, i] = _rank_correlation(*table[[i, j]][:, both])
    return names, matrix


def _rank_correlation(first, second):
    from scipy.stats import rankdata

    if len(first) < 3:
        return 0.0
    ranks = np.array([rankdata(values) for values in (first, second)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = np.prod(np.linalg.norm(ranks, axis=1))
    return ranks[0] @ ranks[1] / scale if scale else 0.0

"""The card of a finished run: `python -m vqzoo.training.card RUN recipes/NAME`."""

import csv
import dataclasses
import importlib
import json
import pathlib
import shutil
import sys

from vqzoo.training import files
from vqzoo.training.settings import OPERATIONAL

PAPERS = ("metrics.json", "recipe.json", "history.csv")
CARD = """# {title}

{about}

| | |
|---|---|
| command | `{command}` |
| data | {data} |
| device | {device} |
| training | {steps:,} steps in {seconds:,.0f} s, {precision} |
| seed | {seed}, one run |

## Result, on the test split

| | |
|---|---|
{metrics}

{pictures}"""


def write(run, target):
    """Writes the card of a run: its papers, its pictures and a README.md.

    Args:
        run: path of a finished run's folder.
        target: path of the card's folder; its name is the recipe's.

    Returns:
        `pathlib.Path` of the README.md. Text below the pictures of a card that is
        there already is kept.

    Raises:
        RunError: if the run is not finished or there is no such recipe.
    """
    run, target = pathlib.Path(run), pathlib.Path(target)
    missing = [name for name in PAPERS if not (run / name).is_file()]
    if missing:
        raise files.RunError(f"expected a finished run, received {run}, no {missing}")
    target.mkdir(parents=True, exist_ok=True)
    pictures = sorted(path.name for path in run.glob("*.png"))
    for name in (*PAPERS, *pictures):
        shutil.copyfile(run / name, target / name)
    _drop_folders(target / "recipe.json")
    text = CARD.format(**_facts(run, target.name, pictures))
    readme = target / "README.md"
    readme.write_text(text + _kept(readme, pictures))
    return readme


def _drop_folders(path):
    """Keeps the last part of the data's path in a recipe.json, not this machine's."""
    settings = json.loads(path.read_text())
    recipe = settings["recipe"]
    recipe["data_dir"] = pathlib.Path(recipe["data_dir"]).name
    files.write_json(path, settings)


def _kept(readme, pictures):
    """What stands below the last picture of a card that is there already."""
    old = readme.read_text() if readme.exists() else ""
    _, found, below = old.rpartition(_picture(pictures[-1]))
    return below if found else "\n"


def _facts(run, name, pictures):
    try:
        module = importlib.import_module(f"vqzoo.recipes.{name}")
    except ModuleNotFoundError as error:
        raise files.RunError(f"expected a recipe's name, received {name}") from error
    settings = json.loads((run / "recipe.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    with open(run / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    title, _, about = module.__doc__.partition("\n")
    return {
        "title": f"{name}: {title.rstrip('.')}",
        "about": about.partition(f"vqzoo.recipes.{name}\n")[2].strip(),
        "command": _command(name, module.RECIPE, settings["recipe"]),
        "data": _data(settings),
        "device": settings.get("device", "not noted"),
        "steps": int(history[-1]["step"]),
        "seconds": sum(float(row["seconds"]) for row in history),
        "precision": settings["dtype_policy"],
        "seed": settings["recipe"]["seed"],
        "metrics": "\n".join(f"| {k} | {v:.5g} |" for k, v in metrics.items()),
        "pictures": "\n".join(map(_picture, pictures)),
    }


def _data(settings):
    recipe = settings["recipe"]
    words = [recipe["dataset"], pathlib.Path(recipe["data_dir"]).name]
    shape = " x ".join(map(str, settings["image_shape"]))
    return f"{' '.join(filter(None, words))}, images of {shape}"


def _picture(name):
    return f"![{pathlib.Path(name).stem}]({name})"


def _command(name, recipe, settings):
    """The command line: every setting that is not the recipe's own is a flag."""
    parts = [f"python -m vqzoo.recipes.{name}"]
    for field, default in dataclasses.asdict(recipe).items():
        value = settings.get(field, default)
        value = tuple(value) if isinstance(value, list) else value
        if field not in (*OPERATIONAL, "name") and value != default:
            parts.append(f"--{field}={_flag(value)}")
    return " ".join(parts)


def _flag(value):
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return pathlib.Path(value).name if "/" in str(value) else value


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python -m vqzoo.training.card RUN recipes/NAME")
    try:
        print(write(*sys.argv[1:]))
    except files.RunError as error:
        sys.exit(f"Error: {error}")

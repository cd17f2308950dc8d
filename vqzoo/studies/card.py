"""Writes the card of a finished run: `vqzoo card RUN recipes/NAME`.

It copies the numbers, settings and pictures of the run and writes README.md. What
stands below the pictures of a card that is there already is kept. With --evaluation it
also shows what `vqzoo evaluate` found of sets of images, and under which protocol.
"""

import dataclasses
import importlib
import importlib.util
import json
import math
import pathlib
import re
import shlex
import shutil
import sys

from vqzoo import frame
from vqzoo.frame import Flag
from vqzoo.registry import lazily
from vqzoo.runs import files
from vqzoo.runs.folder import HISTORY, METRICS, SETTINGS, Run
from vqzoo.studies import footprint

training_settings = lazily("vqzoo.training.settings")

PAPERS = (METRICS, SETTINGS)
NO_TIME = "time not noted"
PICTURE = re.compile(r"!\[(\w+)\]\(\1\.(?:png|gif)\)")
MAY_HAVE = (HISTORY, "sweep.json", "table.md", "verdicts.json")
EVALUATION = "evaluation.json"
# The sections of an evaluation that a card shows.
SHOWN = ("sets", "samples", "guidance", "classification_accuracy_score")
FLAGS = {
    "What it shows": [
        Flag("evaluation", "", "folder of an evaluation, whose numbers it shows too")
    ]
}
RESULT = "## Result, on the test split"
ITEMS = {1: "vectors", 2: "signals"}  # by the axes of an item; images have more
CARD = """{front}{head}

| | |
|---|---|
| command | `{command}` |
| data | {data} |
| device | {device} |
| training | {training}, {precision} |
| energy | {energy} |
| seed | {seed} |

{heading}

{result}
{evaluation}
{pictures}"""


def write(run, target, evaluation=""):
    """Writes the card of a run: its papers, its pictures and a README.md.

    Args:
        run: path of a finished run's folder.
        target: path of the card's folder; its name is the recipe's, or the recipe's and
            what the run was on, such as `vqvae2_noisy_faces`.
        evaluation: path of the folder of a finished `vqzoo evaluate`, or empty: what
            the card has of one stays.

    Returns:
        `pathlib.Path` of the README.md. Text below the pictures of a card that is
        there already is kept.

    Raises:
        RunError: if the run is not finished or there is no such recipe.
    """
    run, target = pathlib.Path(run), pathlib.Path(target)
    missing = [name for name in PAPERS if not (run / name).is_file()]
    # A sweep may measure models that others have trained.
    trained = any(run.rglob(HISTORY)) or (run / "sweep.json").is_file()
    missing += [] if trained else [HISTORY]
    if missing:
        raise files.RunError(f"expected a finished run, received {run}, no {missing}")
    target.mkdir(parents=True, exist_ok=True)
    pictures = [path.name for path in Run(run).pictures()]
    also = [name for name in MAY_HAVE if (run / name).is_file()]
    for name in (*PAPERS, *also, *pictures):
        shutil.copyfile(run / name, target / name)
    _drop_folders(Run(target))
    if evaluation:
        _keep_evaluation(pathlib.Path(evaluation), target)
    text = CARD.format(**_facts(Run(run), target, pictures))
    readme = target / "README.md"
    readme.write_text(text + _kept(readme))
    return readme


def _keep_evaluation(folder, target):
    """Copies of an evaluation what a card shows, and the protocol."""
    if not (folder / METRICS).is_file():
        raise files.RunError(f"expected the folder of an evaluation, received {folder}")
    found = json.loads((folder / METRICS).read_text("utf-8"))
    metrics = found.get("metrics", {})
    kept = {"metrics": {name: metrics[name] for name in SHOWN if name in metrics}}
    kept |= {"protocol": found["protocol"]} if found.get("protocol") else {}
    files.write_json(target / EVALUATION, kept)


def _drop_folders(run):
    """Keeps of the paths in the settings what is not of this machine alone."""
    settings = run.settings()
    for found in (settings, settings["recipe"]):
        texts = {name: text for name, text in found.items() if isinstance(text, str)}
        found |= {name: _flag(text) for name, text in texts.items()}
    run.write_settings(settings)


def _kept(readme):
    """What a person wrote into a README.md that is there already.

    Of a card it is what stands below its last picture, of another text all but the
    title.
    """
    old = readme.read_text() if readme.exists() else ""
    if RESULT not in old:
        _, _, text = old.partition("\n")
        return ("\n" + text).rstrip("\n") + "\n"
    pictures = list(PICTURE.finditer(old))
    return old[pictures[-1].end() :] if pictures else "\n"


def _facts(run, target, pictures):
    name, found = target.name, {}
    if (target / EVALUATION).is_file():
        found = json.loads((target / EVALUATION).read_text("utf-8"))
    module = _recipe_module(name)
    recipe = module.__name__.rpartition(".")[2]
    settings = run.settings()
    steps, seconds, joules = _work(run)
    made = {**_settings_of_a_part(run), **settings}
    device = made.get("device", "not noted")
    noted = seconds is not None
    return {
        "front": _front(name, settings, run, found),
        "head": head(name),
        "command": _command(recipe, module.RECIPE, settings["recipe"]),
        "data": _data(settings),
        "device": device,
        "training": f"{steps:,} steps in {seconds:,.0f} s" if noted else NO_TIME,
        "energy": footprint.row(seconds, device, joules) if noted else NO_TIME,
        "precision": made["dtype_policy"],
        "seed": _seed(settings["recipe"]),
        "heading": RESULT,
        "result": _result(run),
        "evaluation": _evaluation(found),
        "pictures": "\n".join(f"![{name[:-4]}]({name})" for name in pictures),
    }


def head(name):
    """The title of a card and the text below it, from the docstring of its recipe."""
    module = _recipe_module(name)
    title, _, about = module.__doc__.partition("\n")
    about = about.strip().partition("\n\n")[2]  # without the commands
    return f"# {name}: {title.rstrip('.')}\n\n{about}"


def _recipe_module(name):
    """The recipe with the longest name that a card's name begins with."""
    words = name.split("_")
    for count in range(len(words), 0, -1):
        path = f"vqzoo.recipes.{'_'.join(words[:count])}"
        if importlib.util.find_spec(path):
            return importlib.import_module(path)
    raise files.RunError(f"expected a recipe's name, received {name}")


def _settings_of_a_part(run):
    """Of a run of other runs, what the first of them ran on; {} if there are none.

    Tiers and scales have a history and no settings of their own.
    """
    whole = (part for part in run.parts() if (part.path / SETTINGS).is_file())
    return next((part.settings() for part in whole), {})


def _work(run):
    """Of all that was trained (tiers, scales, runs of a sweep) steps, seconds, joules.

    Seconds and joules are None unless all of it was measured. A sweep of models that
    others have trained takes 0 seconds.
    """
    steps, rows = 0, []
    for part in run.parts():
        history = part.history()
        steps += int(history[-1].get("step", 0))  # an evolution has none
        rows += history
    measured = rows and all(row.get("joules", 0) > 0 for row in rows)
    joules = sum(row["joules"] for row in rows) if measured else None
    timed = all("seconds" in row for row in rows)
    return steps, sum(row["seconds"] for row in rows) if timed else None, joules


def _seed(recipe):
    if "seeds" in recipe:
        return f"{', '.join(map(str, recipe['seeds']))}, a run of each condition each"
    return f"{recipe['seed']}, one run"


def _result(run):
    """The table of a sweep, or all figures of a run."""
    if (run.path / "table.md").is_file():
        return (run.path / "table.md").read_text().strip()
    metrics = run.metrics()
    lines = list(metrics.pop("test", {}).items())
    for section, numbers in metrics.items():
        lines += [(f"{section}: {name}", value) for name, value in numbers.items()]
    rows = "\n".join(f"| {name} | {value:.5g} |" for name, value in lines)
    return f"| | |\n|---|---|\n{rows}"


def _evaluation(found):
    """The table of an evaluation's numbers, under the name of its protocol."""
    rows = [f"| {name} | {value:.5g} |" for name, value in _numbers_of(found)]
    if not rows:
        return ""
    protocol = found.get("protocol", {}).get("name", "none")
    title = f"## Evaluation, protocol: {protocol}"
    return "\n".join(("", title, "", "| | |", "|---|---|", *rows, ""))


def _numbers_of(found):
    """Names and numbers of an evaluation that a card shows."""
    return [
        (f"{section}: {name}", value)
        for section in SHOWN
        for name, value in found.get("metrics", {}).get(section, {}).items()
    ]


def _task(settings):
    """What hubs call what was learned."""
    if "dataset" not in settings["recipe"]:
        return {"type": "reinforcement-learning", "name": "world model"}
    if "class_conditional" in settings["recipe"]:
        return {"type": "unconditional-image-generation", "name": "image generation"}
    if "known_frames" in settings["recipe"]:
        return {"type": "video-to-video", "name": "video prediction"}
    item = ITEMS.get(len(settings.get("image_shape", ())))
    if item:
        return {"type": "feature-extraction", "name": f"codes of {item}"}
    return {"type": "image-to-image", "name": "image reconstruction"}


def _front(name, settings, run, found):
    """The numbers of a model as hubs read them, `model-index`; none of a sweep."""
    if (run.path / "sweep.json").is_file():
        return ""
    recipe = settings["recipe"]
    kind = recipe.get("dataset", "episodes")
    dataset = {"name": _data(settings), "type": kind, "split": "test"}
    numbers = run.metrics().get("test", {}) | dict(_numbers_of(found))
    result = {
        "task": _task(settings),
        "dataset": dataset,
        "metrics": [
            {"type": key, "name": key, "value": value}
            for key, value in numbers.items()
            if math.isfinite(value)
        ],
    }
    if protocol := found.get("protocol"):
        # Frechet distances mean nothing without it.
        result["dataset"] = {**dataset, "args": {"protocol": protocol}}
    index = [{"name": name, "results": [result]}]
    # JSON is YAML too.
    return f"---\nlibrary_name: vqzoo\nmodel-index: {json.dumps(index)}\n---\n"


def _data(settings):
    recipe = settings["recipe"]
    if "dataset" not in recipe:
        return f"episodes of {recipe.get('environment', 'a game')}"
    words = [recipe["dataset"], pathlib.Path(recipe["data_dir"]).name]
    parts = [" ".join(filter(None, words))]
    if classes := recipe.get("classes"):
        parts.append(f"{len(classes)} of its classes")
    if shape := settings.get("image_shape"):
        items = ITEMS.get(len(shape), "images")
        parts.append(f"{items} of {' x '.join(map(str, shape))}")
    return ", ".join(parts)


def _command(name, recipe, settings):
    """The command line: every setting that is not the recipe's own is a flag."""
    parts = [f"python -m vqzoo.recipes.{name}"]
    for field, default in dataclasses.asdict(recipe).items():
        value = settings.get(field, default)
        value = tuple(value) if isinstance(value, list) else value
        if field not in (*training_settings.OPERATIONAL, "name") and value != default:
            parts.append(shlex.quote(f"--{field}={_flag(value)}"))
    return " ".join(parts)


def _flag(value):
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if str(value).startswith(("/", "..")):
        return pathlib.Path(value).name
    return value


def main(argv):
    """Writes a card as the command line says; returns the exit code of `frame`."""

    def work(values, run, target):
        print(write(run, target, values.evaluation))

    return frame.run(argv, __doc__, FLAGS, work, ["RUN", "TARGET"])


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""Sweeps: each condition with each seed is a run, measured as by a report."""

import contextlib
import dataclasses
import json
import os
import pathlib

import filelock
import keras

from vqzoo import measures, trained
from vqzoo.datasets import WITH_FACTORS
from vqzoo.losses import load_classifier
from vqzoo.measures.judge import Classifier
from vqzoo.runs import files
from vqzoo.runs.folder import MODEL, Run
from vqzoo.studies import side_by_side, sweep_table, verdicts
from vqzoo.training import devices, fitting

ROWS = "sweep.json"
VERDICTS = "verdicts.json"
LOCKS = "locks"


def run(recipe):
    """Trains and measures what a sweep compares, and leaves a folder with all of it.

    With `resume` what is in the newest folder already is not run again: a sweep that
    was stopped goes on where it was, and one that is done takes more conditions and
    seeds. A run that diverges is noted as failed and the others go on; `resume` tries
    it again from its beginning. Processes that are started with `resume` while the
    sweep goes on share its runs: each takes those that no other is at, and the last
    one that ends writes the table.

    Args:
        recipe: `SweepRecipe`.

    Returns:
        `pathlib.Path` of the sweep's folder.

    Raises:
        RunError: if the sweep cannot go on, for a reason that its user can fix; at the
            end, with the names of the runs that failed.
        Stopped: after SIGTERM or SIGINT, once the state is saved.
        ValueError: if a setting does not fit the data or the model.
    """
    if "TF_CONFIG" in os.environ:
        raise files.RunError(
            "sweeps train on the devices of one machine: unset TF_CONFIG"
        )
    recipe = recipe.shrunk()
    sweep, again = _open(recipe)
    folder, jobs = sweep.path, recipe.jobs()
    shared = {}
    for number, (condition, seed) in enumerate(jobs, start=1):
        run = recipe.run_of(condition, seed, folder / "runs")
        # The lock is of the model's run: what trains priors on it needs it finished.
        with _alone(folder, run.name) as is_ours:
            key = condition.name, seed
            row = _known(folder).get(key)
            if not is_ours or row and not ("failed" in row and key in again):
                continue
            if row:
                _set_aside(recipe, condition, run, folder)
                _change(folder, lambda rows, old=row: [r for r in rows if r != old])
            fitting.say(f"\n{number} of {len(jobs)}: {condition.name}, seed {seed}")
            add(folder, _row(recipe, condition, run, shared))
            keras.backend.clear_session()
    known = _known(folder)
    order = [(c.name, seed) for c, seed in jobs]
    missing = [key for key in order if key not in known]
    if missing:
        fitting.say(
            f"\n{len(missing)} of the {len(jobs)} runs of {folder} are with other "
            "processes; the last one that ends writes the table. --resume goes on, "
            "should one be lost"
        )
        return folder
    before = [row for key, row in known.items() if key not in order]
    _finish(recipe, [*before, *(known[key] for key in order)], sweep)
    return folder


def _finish(recipe, rows, sweep):
    """Writes what a sweep shows; raises RunError if a run of it failed."""
    folder, pictures = sweep.path, sweep_table.pictures(recipe, rows)
    pictures |= side_by_side.pictures(recipe, folder)
    found = verdicts.of(recipe.claims, rows)
    table = sweep_table.table(rows, recipe.shown, recipe.baseline)
    table += verdicts.lines(found)
    if recipe.claims:
        files.write_json(folder / VERDICTS, found)
    with files.replacing(folder / sweep_table.TABLE) as aside:
        aside.write_text(table)
    medians = sweep_table.medians(recipe.shown, rows)
    sweep.finish({"test": medians}, pictures=pictures)
    failed = [row for row in rows if "failed" in row]
    fitting.say(
        f"\nDone: {recipe.name}, {len(rows) - len(failed)} runs\n  table     "
        f"{folder / sweep_table.TABLE}\n  numbers   {folder / ROWS}\n  pictures  "
        f"{', '.join(path.name for path in sweep.pictures())}"
    )
    if failed:
        raise files.RunError(
            f"{len(failed)} of {len(rows)} runs failed and are not in the medians: "
            f"{sweep_table.failures(failed)}. --resume tries them again"
        )


@contextlib.contextmanager
def _alone(folder, name):
    """Whether no other process is at a run of the sweep; none will be meanwhile."""
    (folder / LOCKS).mkdir(exist_ok=True)
    lock = filelock.FileLock(folder / LOCKS / f"{name}.lock")
    try:
        held = lock.acquire(blocking=False)
    except filelock.Timeout:
        yield False
        return
    with held:
        yield True


def _known(folder):
    """The rows that there are: a dict by condition and seed."""
    rows = files.read_json(folder / ROWS)
    return {(row["condition"], row["seed"]): row for row in rows}


def add(folder, row):
    """Adds a row to those of a sweep, beside what other processes add.

    Args:
        folder: `pathlib.Path` of the sweep.
        row: dict as in `new_row`, with its metrics; it may be of what the sweep itself
            does not train.
    """
    _change(folder, lambda rows: [*rows, row])


def _change(folder, change):
    (folder / LOCKS).mkdir(exist_ok=True)
    with filelock.FileLock(folder / LOCKS / "rows.lock"):
        files.write_json(folder / ROWS, change(files.read_json(folder / ROWS)))


def _set_aside(recipe, condition, run, folder):
    """Moves what a failed run left out of the way of the next try."""
    prior = recipe.prior_of(condition, run, MODEL)
    for name in [part.name for part in (run, prior) if part]:
        for left in Run.all(folder / "runs", name):
            if not left.is_finished:
                left.set_aside(folder / "failed" / name)


def _open(recipe):
    """The sweep's folder, new or that of the one to resume, and which runs failed."""
    settings = {
        "recipe": recipe.identity(),
        "device": devices.describe(),
        "dtype_policy": devices.resolve_precision(recipe.precision),
    }
    if not recipe.resume:
        sweep = Run.open(recipe.runs_dir, recipe.name, settings)
        files.write_json(sweep.path / ROWS, [])
        return sweep, set()
    all_runs = Run.all(recipe.runs_dir, recipe.name)
    begun = [run for run in all_runs if (run.path / ROWS).exists()]
    if not begun:
        where = pathlib.Path(recipe.runs_dir, recipe.name)
        raise files.RunError(f"--resume: no sweep with {ROWS} in {where}")
    sweep, rows = begun[-1], files.read_json(begun[-1].path / ROWS)
    _check_same(recipe, settings, sweep, rows)
    sweep.write_settings(settings)
    return sweep, {(r["condition"], r["seed"]) for r in rows if "failed" in r}


def _check_same(recipe, settings, sweep, rows):
    """Raises RunError unless rows are of the same settings; there may be new ones."""
    old = sweep.settings()["recipe"]
    added = ("conditions", "prior_conditions", "models_with_priors", "claims")
    added += ("seeds", "only")
    may_differ = {name: old[name] for name in added if name in old}
    same = {**settings, "recipe": {**settings["recipe"], **may_differ}}
    sweep.check_same(same)
    changes = {c.name: _changes(c) for c, _ in recipe.jobs()}
    for row in (row for row in rows if "failed" not in row):
        if row["changes"] != changes.get(row["condition"], row["changes"]):
            raise files.RunError(
                f"--resume: {sweep.path} has --conditions={row['condition']!r} with "
                f"{row['changes']}, received {changes[row['condition']]}"
            )


def _changes(condition):
    """What a row notes of its condition, and of its prior's: a JSON dict."""
    changes = _as_json(condition.changes)
    if condition.prior is not None:
        changes["prior"] = _as_json(condition.prior.changes)
    return changes


def _as_json(value):
    return json.loads(json.dumps(value))


def new_row(condition, seed):
    """A row without numbers: a JSON dict."""
    return {
        "condition": condition.name,
        "series": condition.series,
        "place": condition.place,
        "changes": _changes(condition),
        "seed": seed,
        "metrics": {},
        "skipped": {},
    }


def _row(recipe, condition, run, shared):
    """One run of the sweep with its numbers, or with the reason why it failed."""
    row = new_row(condition, run.seed)
    try:
        row["metrics"], row["skipped"] = _numbers(recipe, condition, run, shared)
    except files.Diverged as error:
        row["failed"] = str(error).partition(". ")[0]  # What follows is of one run.
        fitting.say(f"Failed: {error}")
    return row


def _numbers(recipe, condition, run, shared):
    """Trains what a row is of, or the rest of it, and measures what came of it."""
    path, own = pathlib.Path(recipe.trained_of(condition)), None
    if not path.name:
        own = Run(finished(run))
        path = own.model_path
    prior = recipe.prior_of(condition, run, path)
    prior_run = Run(finished(prior)) if prior else None
    names = recipe.measured(condition)
    metrics = _numbers_of_run(prior_run or own) if "run" in names else {}
    names = [name for name in names if name != "run"]
    if not names:
        return metrics, {}
    loaded = trained.load(prior_run.path if prior else path)
    measured, skipped = _measure(recipe, run, loaded, own, shared, names)
    return metrics | measured, skipped


def _numbers_of_run(run):
    """What a run left itself, and how long it trained: a flat dict of floats."""
    if run is None:
        return {}
    seconds = sum(row["seconds"] for part in run.parts() for row in part.history())
    return {f"run.{k}": v for k, v in run.metrics()["test"].items()} | {
        "run.training_seconds": seconds
    }


def finished(recipe):
    """The folder of a recipe's finished run: as it is, gone on with, or begun.

    Args:
        recipe: a recipe whose name no other run in its `runs_dir` has.

    Returns:
        `pathlib.Path`.

    Raises:
        RunError: if the finished run has other settings.
    """
    run = Run.finished(recipe.runs_dir, recipe.name)
    if run is not None:
        settings = {"recipe": recipe.shrunk().identity()}
        run.check_same(settings, of_recipe_alone=True)
        return run.path
    begun = Run.unfinished(recipe.runs_dir, recipe.name) is not None
    return dataclasses.replace(recipe, resume=begun).run()


def _measure(recipe, run, loaded, own, shared, names):
    """Numbers of the chosen sections, and what has none: two flat dicts."""
    # Data and judge are the same for all models of images of one shape, so that their
    # distances compare; a judge takes a minute to train.
    model = loaded.model
    kept = shared.setdefault(tuple(model.image_shape), {})
    if "splits" not in kept:
        kept["splits"] = measures.load_splits(model, run)
        if recipe.judge:
            kept["judge"] = _given_judge(recipe.judge, kept["splits"])
    sizes, most = measures.sizes_of(model, recipe.quick), recipe.num_images
    sizes = dataclasses.replace(
        sizes,
        images=min(sizes.images, most),
        train_images=min(sizes.train_images, most),
        factor_images=min(sizes.factor_images, most),
    )
    subject = measures.subject_of(
        model,
        kept["splits"],
        sizes,
        recipe,
        factors=_factors(recipe, names),
        options={"judge": "judge" in names},
        pipeline=loaded.pipeline,
        history=own.history() if own else (),
        losses=own.losses() if own else (),
    )
    if "judge" in kept:
        subject.judge = kept["judge"]
    sections = measures.measure(subject, names, draws=False)
    if "judge" in vars(subject):
        kept["judge"] = subject.judge
    metrics = {f"{s.name}.{k}": v for s in sections for k, v in s.metrics.items()}
    skipped = {f"{s.name}.{k}": v for s in sections for k, v in s.skipped.items()}
    return metrics, skipped


def _given_judge(path, splits):
    """A judge from a file; where the data has classes, of as many."""
    network = load_classifier(path, splits.image_shape)
    count, classes = network.outputs[0].shape[-1], len(splits.class_names)
    if classes > 1 and count != classes:
        raise ValueError(
            f"expected --judge to be a classifier of {classes} classes, those of "
            f"{splits.name}, received one of {count}"
        )
    return Classifier(network)


def _factors(recipe, names):
    if "disentanglement" not in names:
        return ""
    return recipe.dataset if recipe.dataset in WITH_FACTORS else "sprites"

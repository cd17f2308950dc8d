"""Pictures of one run of each condition of a sweep beside those of the others."""

from vqzoo import measures, plots, trained
from vqzoo.measures import filters
from vqzoo.runs.folder import Run

IMAGES = 1000  # that say which units are active most often
FILTERS = 16


def pictures(recipe, folder):
    """What runs with the first seed came to: a dict of figures by their names.

    Args:
        recipe: `SweepRecipe`.
        folder: `pathlib.Path` of the sweep.
    """
    runs = {}
    for condition in recipe.parsed():
        run = recipe.run_of(condition, recipe.seeds[0], folder / "runs")
        if finished := Run.finished(folder / "runs", run.name):
            runs[condition.name] = run, finished
    figures = {}
    if "codebook" in recipe.measurements and (codebooks := _codebooks(runs)):
        figures["codebooks"] = plots.codebooks_beside(codebooks)
    if "filters" in recipe.measurements and runs:
        rows = {name: _filters(*both) for name, both in runs.items()}
        figures["filters"] = plots.strips(rows)
    return figures


def _codebooks(runs):
    """What the first tier's codebook came to under each condition."""
    codebooks = {}
    for name, (_, finished) in runs.items():
        if kept := finished.codebooks():
            steps = next(iter(kept.values()))
            codebooks[name] = steps[max(steps)]
    return codebooks


def _filters(run, finished):
    """What single units of a model draw, those that are active most often."""
    model = trained.load(finished.model_path).model
    images = measures.load_splits(model, run).test.arrays(limit=IMAGES)[0]
    (latents,) = measures.in_batches(model.encode, images)
    return filters.shown(filters.filters(model.decode, latents), FILTERS)

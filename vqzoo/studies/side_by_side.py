"""Pictures of one run of each condition of a sweep beside those of the others."""

import numpy as np

from vqzoo import measures, plots, trained
from vqzoo.datasets import splits
from vqzoo.measures import filters
from vqzoo.runs.folder import MODEL, PIPELINE, Run
from vqzoo.training.kinds import gan

IMAGES = 1000  # that say which units are active most often
FILTERS = 16
SAMPLES = 10  # of a prior
REBUILT = 6  # images that come back
MOST = 6  # models that these are shown of


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
    if "reconstruction" in recipe.measurements and 0 < len(runs) <= MOST:
        figures["reconstructions"] = _reconstructions(runs)
    for name, runs in _priors(recipe, folder).items():
        figures |= _of_prior(name.replace(" ", "_"), runs)
    return figures


def _codebooks(runs):
    """What the first tier's codebook came to under each condition."""
    codebooks = {}
    for name, (_, finished) in runs.items():
        if kept := finished.codebooks():
            steps = next(iter(kept.values()))
            codebooks[name] = steps[max(steps)]
    return codebooks


def _reconstructions(runs):
    """Test images and, below, what comes back of them under each condition."""
    rows = {}
    for name, (run, finished) in runs.items():
        model = trained.load(finished.model_path).model
        if not rows:
            test = measures.load_splits(model, run).test
            images = test.arrays(limit=IMAGES)[0]
            rows["images"] = images = images[splits.spread(len(images), REBUILT)]
        if tuple(model.image_shape) == images.shape[1:]:
            rebuilt = measures.in_batches(model.reconstruct, images)
            rows[name.replace(" ", "\n")] = rebuilt
    return plots.strips(rows, width=9.6)


def _filters(run, finished):
    """What single units of a model draw, those that are active most often."""
    model = trained.load(finished.model_path).model
    images = measures.load_splits(model, run).test.arrays(limit=IMAGES)[0]
    (latents,) = measures.in_batches(model.encode, images)
    return filters.shown(filters.filters(model.decode, latents), FILTERS)


def _priors(recipe, folder):
    """Finished runs of priors, `{prior: {condition: Run}}`."""
    found = {}
    for condition, seed in recipe.jobs():
        if condition.prior is None or seed != recipe.seeds[0]:
            continue
        model = recipe.run_of(condition, seed, folder / "runs")
        prior = recipe.prior_of(condition, model, MODEL)
        if run := Run.finished(folder / "runs", prior.name):
            found.setdefault(condition.prior.name, {})[condition.model] = run
    return found


def _of_prior(name, runs):
    """What one prior drew under each condition and, of GANs, how their critics did."""
    figures = {}
    drawing = {k: run for k, run in runs.items() if (run.path / PIPELINE).exists()}
    if drawing:
        rows = {condition: _samples(run) for condition, run in drawing.items()}
        figures[f"samples_{name}"] = plots.strips(rows)
    if curves := gan.training_curves(runs):
        figures[f"critic_{name}"] = plots.panels(curves, "step")
    return figures


def _samples(run):
    """Images that a run draws, one of each class in turn."""
    pipeline, labels = trained.load(run.path).pipeline, None
    if pipeline.num_classes:
        labels = np.arange(SAMPLES) % pipeline.num_classes
    return pipeline.sample(SAMPLES, labels, seed=0).images

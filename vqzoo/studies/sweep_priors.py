"""What a sweep of priors shows beside its table: samples and trainings."""

import numpy as np

from vqzoo import plots, trained
from vqzoo.runs.folder import MODEL, PIPELINE, Run
from vqzoo.training.kinds import gan

SAMPLES = 10  # of a row


def pictures(recipe, folder):
    """Samples and trainings of each prior of `prior_conditions`, a row for each model.

    Those of the first seed that are there: none that failed or is still to come.

    Args:
        recipe: `SweepRecipe`.
        folder: `pathlib.Path` of the sweep.

    Returns:
        dict of figures by name: `samples_PRIOR` and, of GANs, `critic_PRIOR`.
    """
    figures = {}
    for name, runs in _runs(recipe, folder).items():
        rows = {model: _samples(run) for model, run in runs.items() if _draws(run)}
        if rows:
            figures[f"samples_{name}"] = plots.strips(rows)
        if curves := gan.training_curves(runs):
            figures[f"critic_{name}"] = plots.panels(curves, "step")
    return {name.replace(" ", "_"): figure for name, figure in figures.items()}


def _runs(recipe, folder):
    """Finished runs of priors, `{prior: {model: Run}}`."""
    found = {}
    for condition, seed in recipe.jobs():
        if condition.prior is None or seed != recipe.seeds[0]:
            continue
        model = recipe.run_of(condition, seed, folder / "runs")
        prior = recipe.prior_of(condition, model, MODEL)
        run = Run.finished(folder / "runs", prior.name)
        if run is not None:
            found.setdefault(condition.prior.name, {})[condition.model] = run
    return found


def _draws(run):
    """Whether all tiers have their priors."""
    return (run.path / PIPELINE).exists()


def _samples(run):
    """Images that a run draws, one of each class in turn."""
    pipeline, labels = trained.load(run.path).pipeline, None
    if pipeline.num_classes:
        labels = np.arange(SAMPLES) % pipeline.num_classes
    return pipeline.sample(SAMPLES, labels, seed=0).images

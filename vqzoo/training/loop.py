"""The training of autoencoders, on `compile` and `fit`."""

import keras
import numpy as np

from vqzoo import measures, models
from vqzoo.datasets.splits import spread
from vqzoo.training import devices, fitting, report, snapshots

MAX_VALIDATION_IMAGES = 2048
SMOKE_IMAGES = 16


def run(recipe):
    """Trains what a recipe says and leaves a folder with all that came of it.

    Args:
        recipe: `Recipe`.

    Returns:
        `pathlib.Path` of the run's folder; None in a process that is not the one that
        writes, which is every worker but the first.

    Raises:
        RunError: if the run cannot go on, for a reason that its user can mend.
        Stopped: after SIGTERM or SIGINT, once the state is saved.
        ValueError: if a setting does not fit the data or the model.
    """
    recipe = recipe.shrunk()
    with fitting.surroundings(recipe) as strategy:
        return _run(recipe, strategy)


def _run(recipe, strategy):
    size = recipe.image_size or _own_image_size(recipe.model)
    splits = fitting.load_data(recipe, size, augmentation=recipe.augmentation)
    fitting.check_batch_size(recipe, splits.train.size, strategy)
    steps = fitting.steps_per_epoch(recipe, splits.train)
    model = _build(recipe, splits, steps, strategy)
    settings = report.settings(recipe, splits, keras.config.dtype_policy().name)
    run_dir, header = _open_run(recipe, settings, model)
    fitting.say(
        f"{model.name}: {model.count_params():,} weights; {steps} steps an epoch"
    )
    _fit(recipe, splits, model, steps, run_dir, header)
    if run_dir is None:
        return None
    report.write(run_dir, model, recipe, splits, _arrays(splits.test, recipe))
    return run_dir


def _own_image_size(name):
    """Side of the images that a named model is made for."""
    return getattr(models, name)().image_shape[0]


def _build(recipe, splits, steps, strategy):
    with devices.scope(strategy):
        model = recipe.build_model(splits.image_shape)
        model.compile(
            fitting.optimizer(recipe, steps),
            loss=model.training_loss(),
            metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
        )
    images = splits.train.arrays(limit=1)[0]
    devices.build(model, (images, images), strategy)
    return model


def _open_run(recipe, settings, model):
    """The run's folder and the header of its state, new or as they were saved."""
    run_dir, header = None, fitting.new_header()
    if recipe.resume:
        run_dir = fitting.old_run_dir(recipe, settings)
        header = fitting.restored_header(run_dir, model)
    elif devices.is_chief():
        run_dir = fitting.new_run_dir(recipe, settings)
    return (run_dir if devices.is_chief() else None), header


def _arrays(split, recipe, limit=None):
    return split.arrays(limit=SMOKE_IMAGES if recipe.smoke else limit)[0]


def _fit(recipe, splits, model, steps, run_dir, header):
    held_out = _arrays(splits.validation, recipe, MAX_VALIDATION_IMAGES)

    def batches(step):
        images = splits.train.batches(
            recipe.batch_size,
            seed=recipe.seed,
            epochs=None,
            start_step=step,
            drop_remainder=True,
        )
        return images.map(lambda batch: (batch["image"], batch["image"]))

    def measure(model):
        return measures.held_out_metrics(model, held_out)[0]

    def show(model, summary):
        images = held_out[spread(len(held_out), 8)]
        codes = measures.encode_all(model.encode, images)
        rebuilt = measures.decode_all(model.decode, codes)
        pairs = np.clip(np.concatenate([images, rebuilt], axis=2) + 0.5, 0, 1)
        summary.image("reconstructions", pairs, max_outputs=8)
        for tier, tier_codes in zip(model.tier_names, codes):
            summary.histogram(f"{tier}_codes", tier_codes.ravel())

    watchers = []
    if run_dir is not None:
        num_steps = steps * recipe.epochs
        watchers.append(snapshots.Snapshots(run_dir, num_steps, header))
    fitting.fit(
        recipe,
        batches,
        model,
        steps,
        run_dir,
        header,
        measure,
        show,
        watchers=watchers,
    )

"""The only training loop, on `compile` and `fit`."""

import contextlib
import math
import signal
import sys

import keras

from vqzoo import datasets, models
from vqzoo.training import callbacks, devices, files, numerics, report, state

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
    strategy = devices.make_strategy(recipe.strategy)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(devices.resolve_precision(recipe.precision))
    try:
        with devices.lost_workers_are_errors(strategy):
            return _run(recipe, strategy)
    finally:
        keras.config.set_dtype_policy(policy)


def _run(recipe, strategy):
    keras.utils.set_random_seed(recipe.seed)
    splits = _load_data(recipe)
    _check_batch_size(recipe, splits, strategy)
    steps = splits.train.steps_per_epoch(recipe.batch_size, drop_remainder=True)
    steps = min(steps, recipe.max_steps_per_epoch or steps)
    model = _build(recipe, splits, steps, strategy)
    settings = report.settings(recipe, splits, keras.config.dtype_policy().name)
    run_dir, header = _open_run(recipe, settings, model)
    _say(f"{model.name}: {model.count_params():,} weights; {steps} steps an epoch")
    with numerics.checked() if recipe.check_numerics else contextlib.nullcontext():
        _fit(recipe, splits, model, steps, run_dir, header)
    if run_dir is None:
        return None
    report.write(run_dir, model, recipe, splits, _arrays(splits.test, recipe))
    return run_dir


def _load_data(recipe):
    return datasets.load(
        recipe.dataset,
        image_size=recipe.image_size or _own_image_size(recipe.model),
        data_dir=recipe.data_dir or None,
        augmentation=recipe.augmentation,
    )


def _own_image_size(name):
    """Side of the images that a named model is made for."""
    return getattr(models, name)().image_shape[0]


def _check_batch_size(recipe, splits, strategy):
    if recipe.batch_size > splits.train.size:
        raise ValueError(
            f"expected --batch_size to be at most the {splits.train.size} training "
            f"images of {splits.name}, received {recipe.batch_size}"
        )
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        raise ValueError(
            f"expected --batch_size to divide by the {replicas} devices, received "
            f"{recipe.batch_size}"
        )


def _build(recipe, splits, steps, strategy):
    with devices.scope(strategy):
        model = recipe.build_model(splits.image_shape)
        rate = recipe.learning_rate
        if recipe.learning_rate_schedule == "cosine":
            total = steps * recipe.epochs
            rate = keras.optimizers.schedules.CosineDecay(rate, total)
        model.compile(
            keras.optimizers.Adam(rate),
            loss=getattr(model, "reconstruction_loss", "mse"),
            metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
        )
    devices.build(model, splits.train.arrays(limit=1)[0], strategy)
    return model


def _open_run(recipe, settings, model):
    """The run's folder and the header of its state, new or as they were saved."""
    header = {"step": 0, "best": math.inf, "history": []}
    if recipe.resume:
        run_dir = files.unfinished_run_dir(recipe.runs_dir, recipe.name)
        report.check_same_settings(run_dir, settings)
        header = state.restore(run_dir / "state.npz", model)
        header["metrics"] = state.metrics(model)
        _say(f"Going on with {run_dir} from step {header['step']}")
    elif devices.is_chief():
        run_dir = files.new_run_dir(recipe.runs_dir, recipe.name)
        files.write_json(run_dir / "recipe.json", settings)
        _say(f"Run folder: {run_dir}")
    return (run_dir if devices.is_chief() else None), header


def _arrays(split, recipe, limit=None):
    return split.arrays(limit=SMOKE_IMAGES if recipe.smoke else limit)[0]


def _fit(recipe, splits, model, steps, run_dir, header):
    """Runs the epochs that are left; the first may be left in the middle."""
    held_out = _arrays(splits.validation, recipe, MAX_VALIDATION_IMAGES)
    run_state = callbacks.RunState(run_dir, recipe.save_steps, steps, header)
    watchers = [run_state, callbacks.Validation(held_out)]
    if run_dir is not None:
        watchers.append(callbacks.Records(run_dir, header))
        if recipe.tensorboard:
            watchers.append(callbacks.TensorBoard(run_dir / "events", held_out[:8]))
    watchers.append(callbacks.SaveEpoch(run_state))
    handlers = run_state.catch_signals()
    try:
        while header["step"] < steps * recipe.epochs:
            _fit_from(recipe, splits, model, steps, header["step"], watchers)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _fit_from(recipe, splits, model, steps, step, watchers):
    """Fits to the end of the run or, from within an epoch, to the end of that epoch."""
    epoch, done = divmod(step, steps)
    batches = splits.train.batches(
        recipe.batch_size,
        seed=recipe.seed,
        epochs=None,
        start_step=step,
        drop_remainder=True,
    )
    model.fit(
        batches.map(lambda batch: (batch["image"], batch["image"])),
        initial_epoch=epoch,
        epochs=epoch + 1 if done else recipe.epochs,
        steps_per_epoch=steps - done,
        callbacks=watchers,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )


def _say(text):
    if devices.is_chief():
        print(text, flush=True)

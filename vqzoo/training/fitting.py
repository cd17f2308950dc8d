"""What every training run does, whatever it trains: settings, folder, epochs."""

import contextlib
import math
import signal
import sys

import keras

from vqzoo import datasets
from vqzoo.runs import files, state
from vqzoo.training import callbacks, devices, losses, numerics, report


@contextlib.contextmanager
def surroundings(recipe):
    """Sets precision and seed of a run; gives its distribution strategy or None.

    Args:
        recipe: `Settings`.

    Raises:
        RunError: when another worker is gone.
    """
    strategy = devices.make_strategy(recipe.strategy)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(devices.resolve_precision(recipe.precision))
    keras.utils.set_random_seed(recipe.seed)
    try:
        with devices.lost_workers_are_errors(strategy):
            yield strategy
    finally:
        keras.config.set_dtype_policy(policy)


def load_data(recipe, image_size, **options):
    """The data set of a recipe: `datasets.Splits`.

    Args:
        recipe: `Settings`, or what else has its `dataset`, `data_dir` and `classes`.
        image_size: int, side of the images.
        **options: of `datasets.load`.
    """
    return datasets.load(
        recipe.dataset,
        image_size=image_size,
        data_dir=recipe.data_dir or None,
        classes=tuple(recipe.classes),
        **options,
    )


def check_batch_size(recipe, num_images, strategy):
    """Raises ValueError unless there are images and devices for the batches."""
    if recipe.batch_size > num_images:
        raise ValueError(
            f"expected --batch_size to be at most the {num_images} training images of "
            f"--dataset={recipe.dataset}, received {recipe.batch_size}"
        )
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        raise ValueError(
            f"expected --batch_size to divide by the {replicas} devices, received "
            f"{recipe.batch_size}"
        )


def steps_per_epoch(recipe, split):
    """Steps of an epoch: those of the split, or fewer where the recipe says so."""
    steps = split.steps_per_epoch(recipe.batch_size, drop_remainder=True)
    return min(steps, recipe.max_steps_per_epoch or steps)


def optimizer(recipe, steps):
    """Adam as a recipe sets it, for epochs of `steps` steps."""
    rate = recipe.learning_rate
    if recipe.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * recipe.epochs)
    return keras.optimizers.Adam(rate)


def new_header():
    """The header of the state of a run that begins."""
    sums = {"before": 0.0, "step": 0, "recorded": 0.0}
    return {"step": 0, "best": math.inf, "history": [], "losses": sums}


def restored_header(run_dir, model):
    """Puts the saved state of a run into its model; returns the header."""
    header = state.restore(run_dir / "state.npz", model)
    header["metrics"] = state.metrics(model)
    say(f"Going on with {run_dir} from step {header['step']}")
    return header


def new_run_dir(recipe, settings):
    """Makes the folder of a run that begins, with its settings; returns its path."""
    run_dir = files.new_run_dir(recipe.runs_dir, recipe.name)
    files.write_json(run_dir / "recipe.json", settings)
    say(f"Run folder: {run_dir}")
    return run_dir


def old_run_dir(recipe, settings, state_name="state.npz"):
    """The folder of the run that a recipe resumes, with the same settings."""
    run_dir = files.unfinished_run_dir(recipe.runs_dir, recipe.name, state_name)
    report.check_same_settings(run_dir, settings)
    return run_dir


def fit(
    recipe,
    batches,
    model,
    steps,
    run_dir,
    header,
    measure,
    show=None,
    watchers=(),
    averaged=True,
):
    """Runs the epochs that are left; the first may be left in the middle.

    Args:
        recipe: `Settings`.
        batches: function from a global step to a dataset of `(inputs, targets)` that
            begins there and does not end.
        model: compiled and built.
        steps: int, of an epoch.
        run_dir: `pathlib.Path`, or None in a process that writes nothing.
        header: dict of the saved state, new or restored.
        measure: function from the model to a dict of floats, its figures on held-out
            data; `loss` decides which epoch is the best.
        show: function from the model and `tf.summary` that writes pictures, or None.
        watchers: Keras callbacks that see a step before its state is saved.
        averaged: bool. Whether the logs hold means over the epoch so far, as those of
            Keras's own step do; then losses.csv is kept.
    """
    run_state = callbacks.RunState(run_dir, recipe.save_steps, steps, header)
    watchers = [*watchers, run_state, callbacks.Validation(measure)]
    if run_dir is not None:
        if averaged:
            watchers.insert(0, losses.Losses(run_dir, steps, header))
        watchers.append(callbacks.Records(run_dir, header))
        if recipe.tensorboard:
            watchers.append(callbacks.TensorBoard(run_dir / "events", show))
    watchers.append(callbacks.SaveEpoch(run_state))
    handlers = run_state.catch_signals()
    checked = numerics.checked() if recipe.check_numerics else contextlib.nullcontext()
    try:
        with checked:
            while header["step"] < steps * recipe.epochs:
                _fit_from(recipe, batches, model, steps, header["step"], watchers)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _fit_from(recipe, batches, model, steps, step, watchers):
    """Fits to the end of the run or, from within an epoch, to the end of that epoch."""
    epoch, done = divmod(step, steps)
    model.fit(
        batches(step),
        initial_epoch=epoch,
        epochs=epoch + 1 if done else recipe.epochs,
        steps_per_epoch=steps - done,
        callbacks=watchers,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )


def say(text):
    """Prints a line, in the process that writes."""
    if devices.is_chief():
        print(text, flush=True)

"""What every training run does, whatever it trains: surroundings, data, epochs."""

import contextlib
import platform
import re
import signal
import sys
from importlib import metadata

import keras

from vqzoo import datasets
from vqzoo.arguments import dtype_policy
from vqzoo.training import callbacks, devices, numerics, records

PACKAGES = ("vqzoo", "keras", "tensorflow", "jax", "numpy", "tensorflow-datasets")


@contextlib.contextmanager
def surroundings(strategy, precision, seed):
    """Sets precision and seed of a run; gives its distribution strategy or None.

    Args:
        strategy: str, as in `devices.make_strategy`.
        precision: str, as in `devices.resolve_precision`.
        seed: int.

    Raises:
        RunError: when another worker is gone.
    """
    strategy = devices.make_strategy(strategy)
    keras.utils.set_random_seed(seed)
    with (
        dtype_policy(devices.resolve_precision(precision)),
        devices.lost_workers_are_errors(strategy),
        devices.of_run(strategy),
        _told_of_data(),
    ):
        yield strategy


@contextlib.contextmanager
def _told_of_data():
    """Errors of what tf.data calls without what TensorFlow writes around them."""
    try:
        yield
    except Exception as error:
        ours = re.search(r"ValueError: (expected .+)", str(error))
        if type(error).__module__.startswith("tensorflow") and ours:
            raise ValueError(ours[1]) from error
        raise


def load_data(recipe, image_size, **options):
    """The data set of a recipe, `datasets.Splits`, after a few lines on what it is.

    Args:
        recipe: `Settings`, or what else has its `dataset`, `data_dir` and `classes`.
        image_size: int, side of the images.
        **options: of `datasets.load`.
    """
    splits = datasets.load(
        recipe.dataset,
        image_size=image_size,
        **datasets.options_of(recipe),
        **options,
    )
    for line in datasets.describe(splits):
        say(line)
    if terms := datasets.terms(recipe.dataset):
        say(f"May be used for {terms}")
    return splits


def endless(split, batch_size, seed, step, part=(0, 1)):
    """Shuffled whole batches of a split from a step of the run on, without end.

    Args:
        split: `Split`.
        batch_size: int, of all workers together.
        seed: int.
        step: int, of the run.
        part: as in `Split.batches`.
    """
    return split.batches(
        batch_size,
        seed=seed,
        epochs=None,
        start_step=step,
        drop_remainder=True,
        part=part,
    )


def settings(recipe, image_shape, class_names, data_fingerprint, **beside):
    """All settings and circumstances that decide a run's result: a JSON dict.

    Args:
        recipe: dict of the settings that decide it.
        image_shape: sequence of int.
        class_names: sequence of str.
        data_fingerprint: str.
        **beside: what else decides it, all JSON.
    """
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "recipe": recipe,
        "dtype_policy": keras.config.dtype_policy().name,
        "device": devices.describe(),
        "python": platform.python_version(),
        "versions": versions,
        "image_shape": list(image_shape),
        "class_names": list(class_names),
        "data_fingerprint": data_fingerprint,
        **beside,
    }


def fit(
    model,
    batches,
    run,
    *,
    epochs,
    steps,
    measure,
    show=None,
    watchers=(),
    delivered=None,
    averaged=True,
    newest=False,
    save_steps,
    tensorboard,
    check_numerics,
):
    """Runs the epochs that are left; the first may be left in the middle.

    Args:
        model: compiled and built.
        batches: function from a global step to a dataset of `(inputs, targets)` that
            begins there and does not end.
        run: `Run`, new or restored.
        epochs: int.
        steps: int, of an epoch.
        measure: function from the model to a dict of floats, its figures on held-out
            data; `loss` decides which epoch is the best.
        show: function from the model and `tf.summary` that writes pictures, or None.
        watchers: Keras callbacks that see a step before its state is saved.
        delivered: the model that is saved after each epoch. Defaults to `model`.
        averaged: bool. Whether the logs hold means over the epoch so far, as those of
            Keras's own step do; then losses.csv is kept.
        newest: bool. Whether the last epoch is the best one: losses of a game do not
            say which is.
        save_steps: int, steps between two saves of the state.
        tensorboard: bool. Whether events are written.
        check_numerics: bool. Whether the first NaN or infinity ends the run.
    """
    if run.restored_metrics is not None:
        say(f"Going on with {run.path} from step {run.header['step']}")
    run_state = callbacks.RunState(run, save_steps, steps)
    events = records.Events(run, show) if tensorboard and run.writes else None
    # What stands before the state is in it.
    watching = [*watchers, run_state]
    kept = delivered or model
    watching.append(records.Epochs(run_state, measure, kept, events, newest))
    if averaged and run.writes:
        watching.insert(0, records.Losses(run, steps))
    handlers = run_state.catch_signals()
    checked = numerics.checked() if check_numerics else contextlib.nullcontext()
    try:
        with checked:
            while (step := run.header["step"]) < steps * epochs:
                epoch, done = divmod(step, steps)
                model.fit(
                    batches(step),
                    initial_epoch=epoch,
                    # From within an epoch to its end, then the others.
                    epochs=epoch + 1 if done else epochs,
                    steps_per_epoch=steps - done,
                    callbacks=watching,
                    shuffle=False,
                    verbose=1 if sys.stdout.isatty() else 2,
                )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def say(text):
    """Prints a line, in the process that writes."""
    if devices.is_chief():
        print(text, flush=True)

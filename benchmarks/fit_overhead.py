"""Overhead of `fit` over the training step, and what could reduce it.

Variants of a step of `vqvae_32` at batches of 32, which take turns in one process:
a bare tf.function without metrics, the train function of Keras in a loop, `fit` with
and without progress bar and the callback of the training loop, several steps in one
execution, one batch over and over instead of the pipeline, and SGD instead of Adam.
With `--threads` also several thread settings of TensorFlow, each in a process of its
own, as a process sets them once; with `--xla` also `jit_compile=True`.

    python -m benchmarks.fit_overhead --threads

About 3 minutes on two cores; `--rounds=2` for a first look.
"""

import contextlib
import os

import keras
import tensorflow as tf

from benchmarks import fitting, measure
from vqzoo.runs.folder import Run
from vqzoo.training import devices
from vqzoo.training.callbacks import RunState

BATCH_SIZE, STEPS = 32, 24
EXECUTIONS = (4, 8)
# Threads of one operation, and operations at once; 0: as TensorFlow chooses.
THREADS = ((0, 0), (1, 2), (2, 1), (2, 2), (1, 1))
NEVER = 10**9


def main(flags):
    """Measures every variant and writes fit_overhead.json."""
    machine = measure.machine()
    contestants = _variants(flags.model, flags.precision, flags.xla)
    results = {
        "model": flags.model,
        "batch_size": BATCH_SIZE,
        "precision": flags.precision,
        "variants": _relative(measure.take_turns(contestants, flags.rounds), "fit"),
        "machine": machine,
    }
    if flags.threads:
        results["threads"] = _threads(flags)
    measure.write("fit_overhead", results)
    for part in ("variants", "threads"):
        _print(results.get(part, {}))


def _variants(name, precision, xla):
    """The contestants by name; each has a model of its own."""
    split = fitting.random_split(getattr(fitting.models, name)().image_shape[0])
    batches = fitting.pairs(split, BATCH_SIZE)
    one_batch = batches.take(1).cache().repeat()

    def model(**options):
        return fitting.compiled(name, precision, **options)

    def fit(model, batches=batches, **options):
        return fitting.fit_clock(model, batches, STEPS, **options)

    variants = {
        "fit": fit(model()),
        "bare step": _bare_step(model(), batches),
        "train function": _train_function(model(), batches),
        "fit, progress bar": _quietly(fit(model(), verbose=1)),
        "fit, run state": fit(model(), callbacks=[_run_state()]),
        "fit, one batch": fit(model(), one_batch),
        "fit, SGD": fit(model(optimizer=keras.optimizers.SGD)),
    }
    for count in EXECUTIONS:
        fused = model(steps_per_execution=count)
        variants[f"fit, {count} steps at once"] = fit(fused, per_execution=count)
    if xla:
        variants["fit, XLA"] = fit(model(jit_compile=True))
    return variants


def _bare_step(model, batches):
    @tf.function
    def step(iterator):
        images, targets = next(iterator)
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            error = tf.reduce_mean(tf.square(targets - outputs))
            loss = error + sum(model.losses)
        weights = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    model.optimizer.build(model.trainable_variables)
    return fitting.loop_clock(step, batches, STEPS)


def _train_function(model, batches):
    images = next(iter(batches))[0].numpy()
    devices.build(model, (images, images), None)
    model.make_train_function()
    return fitting.loop_clock(model.train_function, batches, STEPS)


def _run_state():
    return RunState(Run(None), NEVER, NEVER)


def _quietly(function):
    """`function` with its output discarded, as fast as any terminal."""

    def quiet():
        with open(os.devnull, "w") as file, contextlib.redirect_stdout(file):
            return function()

    return quiet


def _relative(taken, base):
    """Seconds of each variant, and its speed over that of `base`."""
    return {
        name: {
            "step_seconds": measure.spread(values),
            "speed": measure.ratio(taken[base], values),
        }
        for name, values in taken.items()
    }


def _threads(flags):
    """As `_relative`, for each of `THREADS`."""
    names = {f"{intra} / {inter}": (intra, inter) for intra, inter in THREADS}
    workers = {
        name: measure.Worker(make, flags.model, flags.precision, *threads)
        for name, threads in names.items()
    }
    try:
        taken = measure.take_turns(workers, flags.rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return _relative(taken, next(iter(names)))


def make(name, precision, intra, inter):
    """`fit` under a thread setting: what `measure.Worker` runs in its process."""
    tf.config.threading.set_intra_op_parallelism_threads(intra)
    tf.config.threading.set_inter_op_parallelism_threads(inter)
    split = fitting.random_split(getattr(fitting.models, name)().image_shape[0])
    batches = fitting.pairs(split, BATCH_SIZE)
    return fitting.fit_clock(fitting.compiled(name, precision), batches, STEPS)


def _print(variants):
    rows = [
        (
            name,
            f"{v['step_seconds']['median'] * 1e3:.1f}",
            f"{v['speed']['median']:.3f}",
            f"{v['speed']['min']:.2f} to {v['speed']['max']:.2f}",
        )
        for name, v in variants.items()
    ]
    if rows:
        measure.print_table(("variant", "ms", "times as fast", "range"), rows)


if __name__ == "__main__":
    measure.run(
        main,
        rounds=(11, "rounds that count"),
        model=("vqvae_32", "a named model"),
        precision=("mixed_bfloat16", "dtype policy"),
        threads=(False, "also each of several thread settings"),
        xla=(False, "also with jit_compile"),
    )

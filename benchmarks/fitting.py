"""Shared by the benchmarks of training: random images, compiled models, clocks."""

import itertools
import time

import keras
import numpy as np
import tensorflow as tf

from vqzoo import models
from vqzoo.datasets import Split

LEARNING_RATE = 3e-4
NUM_IMAGES = 8192


def random_split(side, seed=0):
    """A `Split` of random uint8 images in memory, so that no data set is needed.

    Args:
        side: int, pixels.
        seed: int.

    Returns:
        `Split` of float32 images in [-0.5, 0.5]. Neighboring pixels are alike, as in
        photographs, so that the codebook has something to learn.
    """
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (NUM_IMAGES, side // 8, side // 8, 3), np.uint8)
    pixels = tf.constant(coarse.repeat(8, axis=1).repeat(8, axis=2))

    def load(indices, seed):
        images = tf.gather(pixels, indices)
        return {"image": tf.cast(images, "float32") / 255.0 - 0.5}

    return Split(size=NUM_IMAGES, load=load)


def pairs(split, batch_size, start_step=0):
    """Endless dataset of `(images, images)`, as the training loop feeds `fit`."""
    batches = split.batches(
        batch_size, seed=0, epochs=None, start_step=start_step, drop_remainder=True
    )
    return batches.map(lambda batch: (batch["image"], batch["image"]))


def compiled(name, precision, optimizer=keras.optimizers.Adam, **options):
    """A named model as the training loop compiles it.

    Args:
        name: str, a named model of vqzoo.models.
        precision: str, the dtype policy that it is built under.
        optimizer: class.
        **options: arguments of `compile`.

    Returns:
        Compiled `keras.Model`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = getattr(models, name)()
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(
        optimizer(LEARNING_RATE),
        loss="mse",
        metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
        **options,
    )
    return model


class Clock(keras.callbacks.Callback):
    """Records when batches end, to exclude the start of `fit`.

    Args:
        skip: int, calls of `on_train_batch_end` before the clock starts.
    """

    def __init__(self, skip):
        super().__init__()
        self.skip = skip

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())

    def seconds(self):
        """Seconds from the end of the last skipped call to the end of the last."""
        return self.times[-1] - self.times[self.skip - 1]


def fit_clock(model, batches, steps, *, per_execution=1, callbacks=(), verbose=0):
    """A contestant: seconds of a step of `fit` in steady state.

    Args:
        model: compiled `keras.Model`.
        batches: endless `tf.data.Dataset`.
        steps: int, steps that count, a multiple of `per_execution`.
        per_execution: int, what the model was compiled with.
        callbacks: sequence of Keras callbacks.
        verbose: as in `fit`.

    Returns:
        Function without arguments that returns seconds.
    """
    skip = 3

    def measure():
        clock = Clock(skip)
        model.fit(
            batches,
            steps_per_epoch=steps + skip * per_execution,
            callbacks=[*callbacks, clock],
            shuffle=False,
            verbose=verbose,
        )
        return clock.seconds() / steps

    return measure


def loop_clock(step, batches, steps):
    """A contestant: seconds of a step of a bare loop over an iterator.

    Args:
        step: function of the iterator: takes a batch from it and trains.
        batches: endless `tf.data.Dataset`.
        steps: int, steps that count.

    Returns:
        Function without arguments that returns seconds.
    """
    skip = 3

    def measure():
        iterator = iter(batches)
        for number in itertools.count():
            if number == skip:
                began = time.perf_counter()
            if number == skip + steps:
                return (time.perf_counter() - began) / steps
            step(iterator)

    return measure

"""The check of every operation of a step for NaN and infinity."""

import contextlib
import re

import keras

from vqzoo.runs.files import Diverged


@contextlib.contextmanager
def checked():
    """Within it, the first operation that gives NaN or infinity ends the run.

    Operations of the data pipeline count too, and so do gradients of 0 / 0 that a mask
    hides. A step takes several times its time.

    Raises:
        Diverged: with the name of the operation, which begins with its layer's.
    """
    import tensorflow as tf

    try:
        with _OF_BACKEND[keras.backend.backend()]():
            yield
    except (tf.errors.InvalidArgumentError, FloatingPointError) as error:
        raise Diverged(f"--check_numerics: {_first_words(error)}") from error


@contextlib.contextmanager
def _in_tensorflow():
    import tensorflow as tf

    tf.debugging.enable_check_numerics()
    try:
        yield
    finally:
        tf.debugging.disable_check_numerics()


@contextlib.contextmanager
def _in_jax():
    import jax

    with jax.debug_nans(True), jax.debug_infs(True):
        yield


_OF_BACKEND = {"tensorflow": _in_tensorflow, "jax": _in_jax}


def _first_words(error):
    """What went wrong and where, without the stacks that TensorFlow appends."""
    text = str(error)
    where = " of the data pipeline" if "MapDataset" in text else ""
    for pattern in (r"Detected at node (\S+)", r'Infinity or NaN in .* op "(\S+)"'):
        if node := re.search(pattern, text):
            name = node[1].removesuffix("/CheckNumericsV2")
            return f"NaN or infinity in {name}{where}"
    return text[:600]

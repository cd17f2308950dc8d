"""The check of every operation of a step for NaN and infinity."""

import contextlib

import keras

from vqzoo.training.files import RunError

_INPUT = "an input image is not finite"


def check_images(image):
    """`image` as it is; while it is read, an error if a value of it is not finite."""
    import tensorflow as tf

    return tf.debugging.check_numerics(image, _INPUT)


@contextlib.contextmanager
def checked():
    """Within it, the first operation that gives NaN or infinity ends the run.

    It costs several times the time of a step, and gradients of 0 / 0 that a mask then
    hides count as well.

    Raises:
        RunError: with the name of the operation, which begins with its layer's.
    """
    import tensorflow as tf

    try:
        with _OF_BACKEND[keras.backend.backend()]():
            yield
    except (tf.errors.InvalidArgumentError, FloatingPointError) as error:
        raise RunError(f"--check_numerics: {_first_words(error)}") from error


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
    """What went wrong and where, without the stack that TensorFlow appends."""
    text = str(error)
    if _INPUT in text:
        return _INPUT
    return text.partition("Graph op creation stack trace")[0].strip()[:600]

"""What the tests of training share."""

import keras


def compiled(model, optimizer, loss=None, **options):
    """A model after `compile`, with the variables of its optimizer.

    TensorFlow would trace a first step that makes them twice, which takes longer than
    all the steps of a test. So would XLA, which the conformance suite has for all.
    """
    options.setdefault("jit_compile", keras.backend.backend() == "jax")
    model.compile(optimizer, loss, **options)
    model.optimizer.build(model.trainable_variables)
    return model

"""Losses of single pixels."""

from keras import ops

from vqzoo import registry


@registry.named("own")
def own(sources):
    """The model's default loss: the mean squared error, or its likelihood."""
    return sources.model.reconstruction_loss


@registry.named("l1")
def l1(sources):
    """Mean absolute error of an image: float32 `(batch,)`."""
    return lambda images, outputs: ops.mean(ops.abs(images - outputs), axis=(1, 2, 3))


@registry.named("l2")
def l2(sources):
    """Mean squared error of an image: float32 `(batch,)`."""

    def error(images, outputs):
        return ops.mean(ops.square(images - outputs), axis=(1, 2, 3))

    return error

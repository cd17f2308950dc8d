"""What terms of a loss are made from: the model, a classifier, the files of LPIPS."""

import functools
import pathlib

import keras


class Sources:
    """What terms take, each loaded when the first one asks for it.

    Args:
        model: the autoencoder.
        classifier: function without arguments to a network from images to logits, or
            None.
        lpips: dict, the arguments of `lpips.make_lpips`.
    """

    def __init__(self, model, classifier=None, lpips=None):
        self.model = model
        self.lpips = lpips or {}
        self._classifier = classifier

    @functools.cached_property
    def classifier(self):
        """A network whose weights do not move."""
        network = self._classifier()
        network.trainable = False
        return network


def load_classifier(path, image_shape):
    """A classifier of images from a file.

    Args:
        path: a `.keras` file: `classifier.keras` of a run, or any model from images in
            [-0.5, 0.5] to logits, alone or before features.
        image_shape: `(height, width, channels)` of the images that it is to see.

    Returns:
        keras.Model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it takes other images, or gives no logits.
    """
    path = pathlib.Path(path)
    if path.suffix != ".keras" or not path.is_file():
        raise FileNotFoundError(f"expected a .keras file, received {path}")
    network = keras.saving.load_model(path, compile=False, safe_mode=True)
    takes = tuple(network.inputs[0].shape[1:]) if len(network.inputs) == 1 else ()
    fits = len(takes) == len(image_shape) and all(
        side in (None, given) for side, given in zip(takes, image_shape)
    )
    if not fits:
        raise ValueError(
            f"expected a classifier of images of {tuple(image_shape)}, received one of "
            f"{takes} in {path}"
        )
    if len(network.outputs[0].shape) != 2 or network.outputs[0].shape[-1] < 2:
        raise ValueError(
            "expected logits of two classes or more, (batch, classes), received "
            f"{network.outputs[0].shape} of {path}"
        )
    return network

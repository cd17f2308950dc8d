"""Loading of what compresses: the folder of an artifact or of a pipeline."""

import pathlib

import keras

from vqzoo.codec.codec import Codec
from vqzoo.codec.container import CodecError
from vqzoo.codec.stream import constriction
from vqzoo.export import source
from vqzoo.export.files import ExportError
from vqzoo.priors import pipeline


def load(folder):
    """The codec of a trained model.

    Args:
        folder: path with model.keras and, where there are priors, their files and
            pipeline.json: a folder of `export/`, or a finished run of a prior.

    Returns:
        `Codec`.

    Raises:
        CodecError: if there is no such model, it does not load, or it has no codes that
            the codec could take; or if constriction is not installed.
    """
    constriction()
    if keras.backend.backend() != "tensorflow":
        raise CodecError(
            "expected Keras to run on TensorFlow (KERAS_BACKEND=tensorflow), received "
            f"{keras.backend.backend()}"
        )
    folder = pathlib.Path(folder)
    path = folder / "model.keras"
    if not path.is_file():
        raise CodecError(f"expected an artifact with model.keras, received {folder}")
    try:
        model = source.load(path)  # in safe mode, with finite weights
        if not (folder / pipeline.PAPER).is_file():
            return Codec(model)
        drawn = pipeline.load(folder)
    except (ExportError, OSError, ValueError) as error:
        raise CodecError(str(error)) from error
    return Codec(drawn.model, drawn)

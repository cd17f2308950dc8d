"""Images to small files and back: `vqzoo compress`, `vqzoo decompress`."""

from vqzoo import trained
from vqzoo.codec import container, stream
from vqzoo.registry import lazily, on_demand

keras, codec = lazily("keras"), lazily("vqzoo.codec.codec")
codes, fingerprints = lazily("vqzoo.datasets.codes"), lazily("vqzoo.runs.fingerprint")

__all__, __getattr__ = on_demand(
    __name__, {"Codec": "codec.Codec", "CodecError": "container.CodecError"}
)
__all__ += ["load"]


def load(path, counts=""):
    """The codec of a trained model.

    Args:
        path: path of a model, with its priors where there are any: a folder of
            `export/`, a finished run, or a `.keras` file.
        counts: folder that `vqzoo encode` wrote with this model, whose counts of codes
            the mode `unigram` begins with. Defaults to those of training.

    Returns:
        `Codec`.

    Raises:
        TrainedError: if there is no such model, it does not load, or it has no codes.
        CodecError: if its codes are none that the codec could take, or constriction is
            not installed.
        ValueError: if the counts are of another model.
    """
    stream.constriction()
    # First, since it says what is wrong with a path before it imports Keras.
    loaded = trained.load(path, needs_codes=True, needs_images=True)
    if keras.backend.backend() != "tensorflow":
        raise container.CodecError(
            "expected Keras to run on TensorFlow (KERAS_BACKEND=tensorflow), received "
            f"{keras.backend.backend()}"
        )
    known = None
    if counts:
        known = codes.counts(counts, model=fingerprints.fingerprint(loaded.model))
    return codec.Codec(loaded.model, loaded.pipeline, known)

"""Features of the network that FID is defined by, from weights that the user has."""

import pathlib

import keras
import numpy as np

from vqzoo.measures.inference import in_batches

SIDE = 299
LENGTH = 2048


def inception_features(path):
    """The function from images to features of a network in a file.

    Args:
        path: a `.keras` file, or the folder of a SavedModel with one input and one
            output. It takes images of 299 x 299 x 3 in [-1, 1] and gives 2,048 features
            of each. Published FIDs are those of the Inception network of 2015; other
            weights give other numbers.

    Returns:
        Function from images float `(N, H, W, 1 or 3)` in [-0.5, 0.5], resized
        bilinearly, to float32 `(N, 2048)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not load, or gives something else.
    """
    network = _load(pathlib.Path(path))

    def features(batch):
        batch = np.repeat(batch, 3, axis=-1) if batch.shape[-1] == 1 else batch
        images = keras.ops.image.resize(batch, (SIDE, SIDE), interpolation="bilinear")
        vectors = np.asarray(network(2.0 * images), "float32")
        if vectors.shape != (len(batch), LENGTH):
            raise ValueError(
                f"expected {LENGTH} features of each image from {path}, received shape "
                f"{vectors.shape} for {len(batch)} images"
            )
        return vectors

    return lambda images: in_batches(features, images, batch_size=32)


def _load(path):
    if path.suffix == ".keras" and path.is_file():
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        return lambda images: network(images, training=False)
    if (path / "saved_model.pb").is_file():
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures["serving_default"]
        (name,) = signature.structured_input_signature[1]

        def run(images, _keep=loaded):
            (output,) = signature(**{name: images}).values()
            return output

        return run
    raise FileNotFoundError(
        f"expected a .keras file or the folder of a SavedModel, received {path}"
    )

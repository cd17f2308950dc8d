"""Features of the network that FID is defined by, from weights that the user has."""

import pathlib

import keras
import numpy as np

from vqzoo.images import to_images, to_uint8
from vqzoo.measures import inception_network
from vqzoo.measures.inference import in_batches

SIDE = 299
LENGTH = 2048


def inception_features(path, resize="half_pixel"):
    """The function from images to features of a network in a file.

    Images are rounded to 8 bits first, as the files are that FID tools read.

    Args:
        path: the weights of FID's network as pytorch-fid and torch-fidelity have them
            (`.pth`, `.safetensors`); or a `.keras` file, or the folder of a SavedModel
            with one input and one output, from images of 299 x 299 x 3 in [-1, 1] to
            2,048 features of each. Published FIDs are those of the Inception network of
            2015; other weights give other numbers.
        resize: str, of `RESIZES`, the filter to 299 x 299. `"half_pixel"` is the
            bilinear one of pytorch-fid, `"legacy"` that of TensorFlow 1 in the original
            FID and in torch-fidelity, `"clean"` that of clean-fid, bicubic with
            antialiasing.

    Returns:
        Function from images float `(N, H, W, 1 or 3)` in [-0.5, 0.5] to float32
        `(N, 2048)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not load, or gives something else.
    """
    network, to_size = _load(pathlib.Path(path)), RESIZES[resize]

    def features(batch):
        batch = np.repeat(batch, 3, axis=-1) if batch.shape[-1] == 1 else batch
        batch = to_images(to_uint8(batch))
        batch = to_size(batch)
        # pytorch-fid has 255 at 1; the others, as the graph of 2015, 256.
        batch = 2 * batch if resize == "half_pixel" else (255 * batch - 0.5) / 128
        vectors = np.asarray(network(batch), "float32")
        if vectors.shape != (len(batch), LENGTH):
            raise ValueError(
                f"expected {LENGTH} features of each image from {path}, received shape "
                f"{vectors.shape} for {len(batch)} images"
            )
        return vectors

    return lambda images: in_batches(features, images, batch_size=32)


def _half_pixel(images):
    return keras.ops.image.resize(images, (SIDE, SIDE), interpolation="bilinear")


def _legacy(images):
    """Bilinear between corners of pixels, without antialiasing.

    Source: `tf.compat.v1.image.resize_bilinear`, as the graph of 2015 calls it.
    """
    return _resampled(images, _corners)


def _clean(images):
    """Bicubic with antialiasing in floats, clipped to the range of images.

    Source: Parmar et al. 2021, arXiv 2104.11222; the filter of Pillow, a = -0.5.
    """
    return np.clip(_resampled(images, _antialiased), -0.5, 0.5)


RESIZES = {"half_pixel": _half_pixel, "legacy": _legacy, "clean": _clean}


def _resampled(images, weights):
    rows, columns = (weights(side, SIDE) for side in images.shape[1:3])
    images = np.einsum("ij,bjwc->biwc", rows, images, optimize=True)
    return np.einsum("ij,bhjc->bhic", columns, images, optimize=True)


def _corners(old, new):
    """Weights `(new, old)` of pixels at multiples of old / new."""
    places = np.arange(new) * old / new
    first = places.astype(int)
    share = places - first
    matrix = np.zeros((new, old), "float32")
    np.add.at(matrix, (np.arange(new), first), 1 - share)
    np.add.at(matrix, (np.arange(new), np.minimum(first + 1, old - 1)), share)
    return matrix


def _antialiased(old, new):
    """Weights `(new, old)` of the cubic filter, widened where images shrink."""
    scale = max(old / new, 1.0)
    centers = (np.arange(new) + 0.5) * old / new
    x = np.abs(np.arange(old) + 0.5 - centers[:, None]) / scale
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    matrix = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype("float32")


def _load(path):
    if path.suffix in (".pth", ".pt", ".safetensors"):
        network = inception_network.load(path)
        return lambda images: network(images, training=False)
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
        "expected weights of FID's Inception (.pth or .safetensors), a .keras file or "
        f"the folder of a SavedModel, received {path}"
    )

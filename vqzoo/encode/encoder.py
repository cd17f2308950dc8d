"""A model that encodes batches of pixels, once in a process."""

import functools
import itertools
import threading

import keras
import numpy as np

from vqzoo import images, trained
from vqzoo.datasets import code_files, pixels, reading
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import SmallImageError
from vqzoo.models import cloning
from vqzoo.runs import fingerprint

AT_HAND = {}  # by the path of the model, where a pipeline runs in the process


class Encoder:
    """A trained model of images, with which pixels become codes.

    Args:
        path: as of `vqzoo.load`.
        precision: `"float32"` or `"bfloat16"`, as of `cloning.clone`; or empty: that in
            which the model was trained.

    Raises: TrainedError: if there is no such model, or it has no codes.
    """

    def __init__(self, path: str, precision: str = "") -> None:
        model = trained.load(path, needs_codes=True, needs_images=True).model
        self.fingerprint = fingerprint.fingerprint(model)
        self.model = cloning.clone(model, precision) if precision else model
        self.alone = threading.Lock()  # Units of one process take turns.
        self._run = self._compiled()

    def _compiled(self):
        model = self.model
        hybrid = [layer.is_hybrid for layer in model.quantizers]

        def run(batch):
            batch = images.to_images(batch)
            if not any(hybrid):
                return model.encode(batch)
            codes, values = model.encode_hybrid(batch)
            return (*codes, *itertools.compress(values, hybrid))

        if keras.backend.backend() != "tensorflow":
            return run
        import tensorflow as tf

        shape = tf.TensorSpec((None, *model.item_shape), tf.uint8)
        return tf.function(run, input_signature=[shape], autograph=False)

    @functools.cached_property
    def tiers(self) -> list[dict]:
        """Name, grid, K and V of each tier, top first."""
        height, width, channels = self.model.item_shape
        codes = self(np.zeros((1, height, width, channels), np.uint8))
        return [
            {
                "name": name,
                "grid": list(codes[name].shape[1:]),
                "num_embeddings": int(layer.num_embeddings),
                "num_values": int(layer.num_values) if layer.is_hybrid else 0,
            }
            for name, layer in zip(self.model.tier_names, self.model.quantizers)
        ]

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Codes of uint8 pixels, and the values beside them, by names of columns."""
        arrays = [images.to_numpy(array) for array in self._run(batch)]
        model = self.model
        values = [
            code_files.values_of(name)
            for name, layer in zip(model.tier_names, model.quantizers)
            if layer.is_hybrid
        ]
        return dict(zip((*model.tier_names, *values), arrays, strict=True))


def decoded(
    data: bytes | None, shape: tuple, resize: str, value_range: tuple | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Uint8 pixels of an image file in the shape of a model, and its own size.

    Raises: UnreadableImageError, SmallImageError or ValueError, with the reason.
    """
    if data is None:
        raise UnreadableImageError(
            "there is no image, or it is longer than --max_bytes"
        )
    height, width, channels = shape
    picture = reading.read(data)[0]
    if picture.is_deep and value_range is None:
        raise UnreadableImageError(
            "it has more than 8 bits: --value_range says what becomes 0 and 255"
        )
    levels = picture.levels(value_range if picture.is_deep else None)
    size = levels.shape[:2]
    if size != (height, width):
        if height != width:
            raise SmallImageError(*size[::-1])
        levels = pixels.fit(levels, height, resize=resize)
    return pixels.to_channels(levels, channels), size

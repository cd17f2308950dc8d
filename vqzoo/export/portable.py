"""Models for other runtimes: ONNX, LiteRT and OpenVINO files, without a server."""

import importlib.util
import pathlib

import keras

from vqzoo.export import wire
from vqzoo.export.files import PORTABLE, ExportError
from vqzoo.ops import in_one_block


def save(model, folder, file_format):
    """Writes `encode`, `decode` and `reconstruct` of a model, a file each.

    Images are uint8 `(batch, height, width, channels)`, vectors float32 `(batch, D)`,
    sequences float32 `(batch, time, channels)` and codes int32 for each tier, top
    first, as in the signatures of the SavedModel. The batch and the time are free (of
    LiteRT, `resize_tensor_input` sets them). All scores of the search for the nearest
    codes stand in memory at once: a converter knows no loop.

    Args:
        model: a model with codes, as `cloning.clone` gives it.
        folder: path, made where it is missing.
        file_format: `"onnx"`, `"litert"` or `"openvino"`; each needs its packages.

    Returns:
        dict of the files' paths by what they do.

    Raises:
        ExportError: if a package is missing, or items of a model for LiteRT may be of
            any size.
    """
    ending, package = PORTABLE[file_format]
    if importlib.util.find_spec(package) is None:
        raise ExportError(
            f"expected {package} for --formats={file_format}, which is not installed: "
            f"pip install 'vqzoo[{file_format}]'"
        )
    if file_format == "litert" and None in model.item_shape:
        raise ExportError(
            f"expected {model.item}s of one size for --formats=litert, received "
            f"{model.item}_shape={model.item_shape}: onnx and openvino take any"
        )
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    way = wire.of(model)
    items = keras.InputSpec(way.dtype, (None, *model.item_shape), name=way.items)
    codes = [
        keras.InputSpec("int32", (None, *grid), name=f"{tier}_codes")
        for tier, grid in zip(model.tier_names, way.grids(model))
    ]
    names = [spec.name for spec in codes]

    def encode(items):
        return dict(zip(names, model.encode(way.receive(items))))

    def decode(*codes):
        return {way.items: way.send(model.decode(codes))}

    def reconstruct(items):
        return {"reconstructions": way.send(model.reconstruct(way.receive(items)))}

    parts = {
        "encode": (encode, [items]),
        "decode": (decode, codes),
        "reconstruct": (reconstruct, [items]),
    }
    paths = {}
    for part, (function, signature) in parts.items():
        paths[part] = folder / f"{part}.{ending}"
        with in_one_block():
            _Part(model, function).export(
                str(paths[part]),
                file_format,
                verbose=False,
                input_signature=signature,
            )
    return paths


class _Part(keras.Model):
    """What a function makes of tensors, with the weights of a model."""

    def __init__(self, model, function):
        super().__init__(name="part", dtype="float32")
        self.model, self.function = model, function
        self.built = True

    def call(self, *inputs, training=False):
        return self.function(*inputs)

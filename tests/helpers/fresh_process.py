"""Loads what a folder holds, as anybody would, and writes what comes out.

Run as `python fresh_process.py FOLDER`. For each `NAME.keras`, a model, and each
`NAME.json`, the serialized configuration of a metric, it reads `NAME.inputs.npz` and
writes `NAME.outputs.npz`.
"""

import json
import pathlib
import sys
import warnings

import keras
import numpy as np
from keras import ops

import vqzoo  # noqa: F401  (registers the classes)


def codes_of(model, images):
    """Codes of each tier of a model, or of the quantizers inside of a wrapper."""
    if hasattr(model, "encode"):
        return model.encode(images)
    quantizers = [layer for layer in model.layers if hasattr(layer, "encode")]
    return [quantizer.encode(images) for quantizer in quantizers]


def run_model(path, inputs):
    """Outputs and codes of a saved model, by name."""
    model = keras.saving.load_model(path)
    arrays = {"outputs": model(inputs, training=False)}
    for tier, codes in enumerate(codes_of(model, inputs)):
        arrays[f"codes_{tier}"] = codes
    return {name: ops.convert_to_numpy(array) for name, array in arrays.items()}


def run_metric(path, *inputs):
    """Results of a metric made from its configuration, by name."""
    metric = keras.saving.deserialize_keras_object(json.loads(path.read_text()))
    metric.update_state(*inputs)
    result = metric.result()
    result = result if isinstance(result, dict) else {"result": result}
    return {name: ops.convert_to_numpy(value) for name, value in result.items()}


def main(folder):
    warnings.simplefilter("error", UserWarning)
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix in (".keras", ".json"):
            stored = np.load(path.with_suffix(".inputs.npz"))
            inputs = [stored[name] for name in sorted(stored)]
            run = run_model if path.suffix == ".keras" else run_metric
            np.savez(path.with_suffix(".outputs.npz"), **run(path, *inputs))


if __name__ == "__main__":
    main(sys.argv[1])

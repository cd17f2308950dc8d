"""Proof that an artifact computes what the trained model computes.

The exporting process notes codes and images of the trained model; a fresh process loads
the artifact (`main`) and compares.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from vqzoo.export import checks, wire
from vqzoo.export.files import FOLDERS, ExportError
from vqzoo.runs.folder import MODEL

TIMEOUT_SECONDS = 600
COMMAND = "from vqzoo.export import verification; verification.main()"


def verify(folder, version, trained, served):
    """Loads an artifact in a fresh process and compares it with the models it is of.

    Args:
        folder: `pathlib.Path` of the artifact.
        version: int, of the SavedModels.
        trained: the model that model.keras holds.
        served: `{precision: model}` that the SavedModels hold, float32 among them.

    Returns:
        JSON dict of what was compared, and of the largest differences.

    Raises:
        ExportError: if a file does not load, more than one code in a thousand differs,
            an image differs by more than one of the 256 levels, a request for
            warming up is not answered, or all that takes longer than TIMEOUT_SECONDS.
            What differs in bfloat16, `checks` says.
    """
    items = wire.of(trained).examples(trained)
    with tempfile.TemporaryDirectory() as scratch:
        expected = pathlib.Path(scratch) / "expected.npz"
        result = pathlib.Path(scratch) / "result.json"
        np.savez(
            expected,
            images=items,
            item=trained.item,
            is_hybrid=trained.is_hybrid,
            **_answers(MODEL, trained, items),
            **_answers("saved_model", served["float32"], items),
        )
        numbered = [folder / FOLDERS[name] / str(version) for name in served]
        _run(expected, result, folder / MODEL, *numbered)
        return json.loads(result.read_text())


def _answers(name, model, items):
    """Codes of items, and the items of those codes, of a model."""
    way = wire.of(model)
    with tf.device("CPU:0"):
        floats = way.receive(items)
        codes = model.encode(floats)
        decoded = way.send(np.asarray(model.decode(codes)))
        rebuilt = way.send(np.asarray(model.reconstruct(floats)))
    answers = {f"{name}/{t}": np.asarray(c) for t, c in zip(model.tier_names, codes)}
    return {**answers, f"{name}/decoded": decoded, f"{name}/rebuilt": rebuilt}


def _run(*paths):
    package = str(pathlib.Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]).rstrip(":")
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    try:
        process = subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, paths)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(
            "loading and checking the artifact took longer than "
            f"{TIMEOUT_SECONDS} seconds"
        ) from error
    if process.returncode:
        lines = process.stderr.strip().splitlines() or ["no message"]
        raise ExportError(f"the artifact is not what was trained: {lines[-1]}")


def _check_keras(path, expected):
    import keras

    import vqzoo  # noqa: F401  (registers the classes)

    model = keras.saving.load_model(path)
    way = wire.of(model)
    codes = model.encode(way.receive(expected["images"]))
    codes = {tier: np.asarray(c) for tier, c in zip(model.tier_names, codes)}
    known = tuple(expected[f"{MODEL}/{tier}"] for tier in model.tier_names)
    decoded = way.send(np.asarray(model.decode(known)))
    return checks.compare(MODEL, expected, codes, decoded)


def main():
    """What the fresh process does; its arguments are the paths that `_run` gets."""
    expected, result, keras_file, *saved_models = sys.argv[1:]
    with np.load(expected) as file:
        expected = dict(file)
    way = wire.WIRES[str(expected["item"])]
    differences = {way.items: len(expected["images"])}
    try:
        differences[MODEL] = _check_keras(keras_file, expected)
        for path in saved_models:
            folder = pathlib.Path(path).parent.name
            (precision,) = (name for name in FOLDERS if FOLDERS[name] == folder)
            differences[folder] = checks.check(path, expected, precision)
    except ExportError as error:
        sys.exit(str(error))
    pathlib.Path(result).write_text(json.dumps(differences))

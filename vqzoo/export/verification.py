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

from vqzoo.export.files import ExportError

# Graphs fuse and order sums in other ways than eager code, so that a latent between two
# codes may fall to either, which in a large grid happens once in a while.
MAX_DIFFERING_CODES = 1e-3
MAX_DIFFERING_LEVELS = 1
TIMEOUT_SECONDS = 600
COMMAND = "from vqzoo.export import verification; verification.main()"


def verify(folder, version, trained, served):
    """Loads an artifact in a fresh process and compares it with the models it is of.

    Args:
        folder: `pathlib.Path` of the artifact.
        version: int, of the SavedModel.
        trained: the model that model.keras holds.
        served: the model that the SavedModel holds.

    Returns:
        JSON dict of what was compared, and of the largest differences.

    Raises:
        ExportError: if a file does not load, more than one code in a thousand differs,
            or an image differs by more than one of the 256 levels.
    """
    images = make_images(trained.image_shape)
    with tempfile.TemporaryDirectory() as scratch:
        expected = pathlib.Path(scratch) / "expected.npz"
        result = pathlib.Path(scratch) / "result.json"
        np.savez(
            expected,
            images=images,
            **_answers("model.keras", trained, images),
            **_answers("saved_model", served, images),
        )
        saved_model = folder / "saved_model" / str(version)
        _run(folder / "model.keras", saved_model, expected, result)
        return json.loads(result.read_text())


def make_images(image_shape):
    """Test images: black, white, a ramp, a checkerboard and two of noise, uint8."""
    height, width, _ = image_shape
    rows, columns = np.indices((height, width))[..., None]
    ramp = 255 * (rows + columns) // max(1, height + width - 2)
    board = 255 * ((rows // 4 + columns // 4) % 2)
    structured = [np.zeros_like(ramp), np.full_like(ramp, 255), ramp, board]
    structured = [np.broadcast_to(image, image_shape) for image in structured]
    noise = np.random.default_rng(0).integers(0, 256, (2, *image_shape))
    return np.concatenate([structured, noise]).astype(np.uint8)


def _answers(name, model, images):
    """Codes of images, and the images of those codes, of a model."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        codes = model.encode(_to_floats(images))
        decoded = _to_levels(model.decode(codes))
    answers = {f"{name}/{t}": np.asarray(c) for t, c in zip(model.tier_names, codes)}
    return {**answers, f"{name}/decoded": decoded}


def _to_floats(images):
    return images.astype("float32") * np.float32(1 / 255) - np.float32(0.5)


def _to_levels(images):
    return np.clip(np.round((np.asarray(images) + 0.5) * 255), 0, 255).astype(np.uint8)


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
    process = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, paths)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or ["no message"]
        raise ExportError(f"the artifact is not what was trained: {lines[-1]}")


def compare(name, expected, codes, decoded):
    """Differences between an artifact's answers and those of the trained model.

    Args:
        name: str, the file that answered.
        expected: `{f"{name}/{tier}": codes, f"{name}/decoded": uint8 images}`.
        codes: `{tier: int32 codes}` of the test images.
        decoded: uint8 images of the expected codes.

    Returns:
        `{"codes": int, "differing_codes": int, "largest_image_difference": int}`.

    Raises:
        ExportError: if they are too large.
    """
    pairs = [(expected[f"{name}/{tier}"], found) for tier, found in codes.items()]
    count = sum(known.size for known, _ in pairs)
    differing = sum(int(np.sum(known != found)) for known, found in pairs)
    if differing > MAX_DIFFERING_CODES * count:
        raise ExportError(f"{name} gives {differing} of {count} codes another value")
    largest = largest_difference(expected[f"{name}/decoded"], decoded)
    if largest > MAX_DIFFERING_LEVELS:
        raise ExportError(f"{name} gives images that differ by {largest} of 255")
    return {
        "codes": count,
        "differing_codes": differing,
        "largest_image_difference": largest,
    }


def largest_difference(images, others):
    """Largest difference of two arrays of uint8 images."""
    return int(np.max(np.abs(images.astype(np.int32) - others.astype(np.int32))))


def _check_keras(path, expected):
    import keras

    import vqzoo  # noqa: F401  (registers the classes)

    model = keras.saving.load_model(path)
    codes = model.encode(_to_floats(expected["images"]))
    codes = {tier: np.asarray(c) for tier, c in zip(model.tier_names, codes)}
    known = tuple(expected[f"model.keras/{tier}"] for tier in model.tier_names)
    return compare("model.keras", expected, codes, _to_levels(model.decode(known)))


def _check_saved_model(path, expected):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    calls = loaded.signatures
    codes = calls["encode"](images=tf.constant(expected["images"]))
    known = {name: expected[f"saved_model/{name[:-6]}"] for name in codes}
    known = {name: tf.constant(value) for name, value in known.items()}
    decoded = calls["decode"](**known)["images"].numpy()
    found = {name[:-6]: value.numpy() for name, value in codes.items()}
    result = compare("saved_model", expected, found, decoded)
    if "sample" in calls:
        _check_samples(calls)
    rebuilt = calls["serving_default"](images=tf.constant(expected["images"]))
    again = calls["decode"](**codes)["images"].numpy()
    largest = largest_difference(rebuilt["reconstructions"].numpy(), again)
    if largest > MAX_DIFFERING_LEVELS:
        raise ExportError(f"saved_model rebuilds images {largest} of 255 off decode")
    return result


def _check_samples(calls):
    """Draws twice with one seed, and compares the images with those of the codes."""
    import tensorflow as tf

    inputs = {
        "label": tf.constant([-1, -1]),
        "temperature": tf.constant(1.0),
        "seed": tf.constant(0),
    }
    first, again = (calls["sample"](**inputs) for _ in range(2))
    codes = {name: value for name, value in first.items() if name.endswith("_codes")}
    if any(np.any(again[name] != value) for name, value in codes.items()):
        raise ExportError("saved_model draws other codes with the same seed")
    decoded = calls["decode"](**codes)["images"].numpy()
    largest = largest_difference(first["images"].numpy(), decoded)
    if largest > MAX_DIFFERING_LEVELS:
        raise ExportError(f"saved_model draws images {largest} of 255 off decode")


def main():
    """What the fresh process does; its arguments are the paths that `_run` gets."""
    keras_file, saved_model, expected, result = sys.argv[1:]
    with np.load(expected) as file:
        expected = dict(file)
    try:
        found = {
            "images": len(expected["images"]),
            "model.keras": _check_keras(keras_file, expected),
            "saved_model": _check_saved_model(saved_model, expected),
        }
    except ExportError as error:
        sys.exit(str(error))
    pathlib.Path(result).write_text(json.dumps(found))

"""Checks of a SavedModel in a fresh process: its signatures against each other."""

import numpy as np
import tensorflow as tf

from vqzoo.export import warmup, wire
from vqzoo.export.files import ExportError

# Graphs fuse and order sums differently from eager code, so a latent between two codes
# may fall to either, which happens occasionally in a large grid.
MAX_DIFFERING_CODES = 1e-3
MAX_DIFFERING_LEVELS = 1
# bfloat16 has 8 bits. A latent falls to another code now and then, one almost as near:
# what counts is that images come back as well as in float32.
MAX_BFLOAT16_LEVELS = 16
MAX_BFLOAT16_ERROR = 1.1


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
    differences = _differences(name, expected, codes, decoded)
    count, differing, largest = differences.values()
    if differing > MAX_DIFFERING_CODES * count:
        raise ExportError(f"{name} gives {differing} of {count} codes another value")
    if largest > MAX_DIFFERING_LEVELS:
        way = _way(expected)
        raise ExportError(
            f"{name} gives {way.items} that differ by {largest} {way.unit}"
        )
    return differences


def _way(expected):
    return wire.WIRES[str(expected.get("item", "image"))]


def _differences(name, expected, codes, decoded):
    pairs = [(expected[f"{name}/{tier}"], given) for tier, given in codes.items()]
    largest = _way(expected).difference(expected[f"{name}/decoded"], decoded)
    return {
        "codes": sum(known.size for known, _ in pairs),
        "differing_codes": sum(int(np.sum(known != given)) for known, given in pairs),
        "largest_image_difference": largest,
    }


def compare_bfloat16(expected, codes, decoded, rebuilt):
    """Differences between a bfloat16 SavedModel's answers and those in float32.

    Args:
        expected: as for `compare`, of `saved_model`, with `images` and
            `saved_model/rebuilt`, what the float32 model makes of them.
        codes: `{tier: int32 codes}` of the test images.
        decoded: uint8 images of the expected codes.
        rebuilt: uint8 reconstructions of the test images.

    Returns:
        JSON dict: that of `compare`, and `error_over_float32`, the ratio of the mean
        squared errors of the reconstructions.

    Raises:
        ExportError: if an image differs by too much, or reconstructions are worse.
    """
    differences = _differences("saved_model", expected, codes, decoded)
    largest = differences["largest_image_difference"]
    if largest > MAX_BFLOAT16_LEVELS:
        raise ExportError(
            f"saved_model_bfloat16 gives images that differ by {largest} of 255"
        )
    images = expected["images"].astype(np.float64)
    error, known = (
        float(np.mean(np.square(images - others)))
        for others in (rebuilt, expected["saved_model/rebuilt"])
    )
    # Below one level the two are equally good, whatever the ratio.
    if error > MAX_BFLOAT16_ERROR * max(known, 1.0):
        raise ExportError(
            f"saved_model_bfloat16 rebuilds images with an error of {error:.2f}, "
            f"saved_model with {known:.2f}"
        )
    ratio = round(error / max(known, 1e-9), 4)
    return {**differences, "error_over_float32": ratio}


def check(path, expected, precision):
    """Loads a SavedModel, runs all of its signatures, and compares.

    Args:
        path: str, a version's folder.
        expected: dict of arrays, as in `verification.verify`.
        precision: `"float32"` or `"bfloat16"`.

    Returns:
        JSON dict of `compare` or `compare_bfloat16`.

    Raises:
        ExportError: if an answer is wrong.
    """
    calls = tf.saved_model.load(path).signatures
    way, items = _way(expected), tf.constant(expected["images"])
    codes = calls["encode"](**{way.items: items})
    known = {name: expected[f"saved_model/{name[:-6]}"] for name in codes}
    known = {name: tf.constant(value) for name, value in known.items()}
    decoded = calls["decode"](**known)[way.items].numpy()
    rebuilt = calls["serving_default"](**{way.items: items})["reconstructions"].numpy()
    given = {name[:-6]: value.numpy() for name, value in codes.items()}
    if precision == "float32":
        result = compare("saved_model", expected, given, decoded)
    else:
        result = compare_bfloat16(expected, given, decoded, rebuilt)
    if not expected["is_hybrid"]:
        others = calls["decode"](**codes)[way.items]
        _expect_equal("serving_default", rebuilt, others, way)
    if "encode_bytes" in calls:
        _check_files(calls, items, codes, rebuilt)
    if "sample" in calls:
        _check_samples(calls, way)
    for name, arrays in warmup.read(path):
        calls[name](**{k: tf.constant(v) for k, v in arrays.items()})
    return result


def _expect_equal(name, items, others, way=wire.WIRES["image"]):
    largest = way.difference(np.asarray(items), np.asarray(others))
    if largest > MAX_DIFFERING_LEVELS:
        raise ExportError(
            f"{name} gives {way.items} {largest} {way.unit} off what others give"
        )


def _check_files(calls, images, codes, rebuilt):
    """Asks for the codes of PNG files, and for files of images."""
    files = tf.io.encode_png(images)
    for name, given in calls["encode_bytes"](image_bytes=files).items():
        if np.any(given != codes[name]):
            raise ExportError("encode_bytes gives other codes than encode")
    rebuilt_files = calls["reconstruct_bytes"](image_bytes=files)["image_bytes"]
    decoded_files = calls["decode_bytes"](**codes)["image_bytes"]
    decoded = calls["decode"](**codes)["images"]
    for name, answered, known in (
        ("reconstruct_bytes", rebuilt_files, rebuilt),
        ("decode_bytes", decoded_files, decoded),
    ):
        read = [tf.io.decode_png(file).numpy() for file in answered]
        _expect_equal(name, np.stack(read), known)


def _check_samples(calls, way):
    """Draws twice with one seed, and compares the items with those of the codes."""
    inputs = {
        "label": tf.constant([-1, -1]),
        "temperature": tf.constant([1.0, 1.0]),
        "seed": tf.constant([0, 1]),
    }
    if "guidance" in calls["sample"].structured_input_signature[1]:
        inputs["guidance"] = tf.constant([1.0, 2.0])
    first, again = (calls["sample"](**inputs) for _ in range(2))
    codes = {name: value for name, value in first.items() if name.endswith("_codes")}
    if any(np.any(again[name] != value) for name, value in codes.items()):
        raise ExportError("sample draws other codes with the same seed")
    decoded = calls["decode"](**codes)[way.items]
    _expect_equal("sample", first[way.items], decoded, way)

"""Latency and throughput of `encode` and `decode` beside Keras `predict`, in process.

    python -m benchmarks.serving [--artifact=export/vqvae2_noisy] [--rounds=21]

The artifact's model.keras is saved anew as SavedModels in float32 and bfloat16, whose
signatures map uint8 images to codes and codes to uint8 images, in two calls; `predict`
and `predict_on_batch` reconstruct float images in one. Contestants take turns in one
process.
"""

import functools
import pathlib
import tempfile
import time

import numpy as np

from benchmarks import measure

RESULTS = "serving"
BATCH_SIZES = (1, 32)
PRECISIONS = ("float32", "bfloat16")


def encode_and_decode(signatures, images):
    """Reconstructs images with the signatures of a SavedModel."""
    import tensorflow as tf

    codes = signatures["encode"](images=tf.constant(images))
    return signatures["decode"](**codes)["images"].numpy()


def latencies(call, calls):
    """Seconds of each of some calls."""
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


def make_contestants(model, folder, batch_size, number):
    """Functions that measure latencies, by name."""
    import tensorflow as tf

    images = np.random.default_rng(0).integers(
        0, 256, (batch_size, *model.image_shape), "uint8"
    )
    floats = images.astype("float32") / 255 - 0.5
    calls = {
        "predict": lambda: model.predict(floats, verbose=0),
        "predict_on_batch": lambda: model.predict_on_batch(floats),
    }
    for precision in PRECISIONS:
        loaded = tf.saved_model.load(str(folder / precision))
        calls[precision] = functools.partial(
            encode_and_decode, loaded.signatures, images
        )
    return {
        name: functools.partial(latencies, call, number) for name, call in calls.items()
    }


def summary(taken, batch_size):
    """Percentiles, images per second and ratios to `predict` of a case: a JSON dict."""
    rates = {
        name: [batch_size * len(times) / sum(times) for times in rounds]
        for name, rounds in taken.items()
    }
    figures = {}
    for name, rounds in taken.items():
        p50, p99 = np.percentile(np.concatenate(rounds), (50, 99)) * 1e3
        figures[name] = {
            "p50_ms": round(float(p50), 3),
            "p99_ms": round(float(p99), 3),
            "calls": sum(map(len, rounds)),
            "images_per_second": measure.spread(rates[name]),
            "of_predict": measure.ratio(rates[name], rates["predict"]),
        }
    return figures


def main(flags):
    """Measures every batch size, writes serving.json and prints it."""
    from vqzoo import trained
    from vqzoo.export import signatures
    from vqzoo.models.cloning import clone

    machine = measure.machine()
    model = trained.load(flags.artifact).model
    cases = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for precision in PRECISIONS:
            signatures.save(clone(model, precision), folder / precision)
        for batch_size in BATCH_SIZES:
            contestants = make_contestants(model, folder, batch_size, flags.calls)
            taken = measure.take_turns(contestants, flags.rounds)
            cases[f"batch_{batch_size}"] = summary(taken, batch_size)
    results = {"artifact": pathlib.Path(flags.artifact).name, "cases": cases}
    measure.write(RESULTS, {**results, "machine": machine})
    rows = [
        (
            case,
            name,
            f"{facts['p50_ms']:.1f}",
            f"{facts['p99_ms']:.1f}",
            f"{facts['images_per_second']['median']:.0f}",
            f"{facts['of_predict']['median']:.2f}",
        )
        for case, contestants in cases.items()
        for name, facts in contestants.items()
    ]
    header = ("case", "contestant", "p50 ms", "p99 ms", "images/s", "of predict")
    measure.print_table(header, rows)


if __name__ == "__main__":
    measure.run(
        main,
        artifact=("export/vqvae2_noisy", "folder with model.keras"),
        rounds=(21, "rounds that count"),
        calls=(20, "calls of a contestant in a round"),
    )

"""Quality of `vqvae_32` beside the same network with Sonnet's quantizer.

Both start from the same weights, see the same batches and minimize the same loss: mean
squared error over the variance of the training pixels, plus 0.25 times the commitment,
with Adam at 3e-4 for 10,000 steps of 32 images; K = 512, D = 64, decay 0.99. Every
figure is of the test split, but for those named `last_batches`, which are means over
the last 100 training batches, as in the notebook of Sonnet's example.

    python -m benchmarks.vqvae_32 --data_dir=cifar10.tar.xz --quantizer=both

About 25 minutes on two cores in float32; `--quantizer=ours` and `--quantizer=sonnet`
are its halves, whose results are merged into one file, `--steps=200` is a first look.
Runs are kept under a key of all settings that differ from the defaults.
"""

import argparse
import sys
import time

import keras
import numpy as np

from benchmarks import fitting, measure
from benchmarks.sonnet_quantizer import SonnetQuantizer
from vqzoo import datasets, measures, models
from vqzoo.layers import VectorQuantizerEMA

BATCH_SIZE, LEARNING_RATE, LAST_BATCHES = 32, 3e-4, 100
STEPS_A_LINE = 500
QUANTIZERS = ("ours", "sonnet")
SETTINGS = {
    "steps": (int, 10_000, "of training"),
    "precision": (str, "float32", "dtype policy"),
    "seed": (int, 0, "of the weights and the batches"),
    "loss": (str, "variance", "variance: error over the pixels' variance; plain: not"),
    "decay": (float, 0.99, "of our quantizer"),
    "restart_threshold": (float, 0.5, "of our quantizer"),
    "commitment_cost": (float, 0.25, "of both quantizers"),
    "estimator": (str, "straight_through", "of our quantizer, or rotation"),
}


def main():
    """Trains what was asked for and merges it into vqvae_32.json."""
    flags = _flags()
    splits = datasets.load("folder", data_dir=flags.data_dir, image_size=32)
    for name in QUANTIZERS if flags.quantizer == "both" else (flags.quantizer,):
        run = {**_settings(flags), **_train_and_measure(name, flags, splits)}
        run["machine"] = measure.machine()
        results = measure.read("vqvae_32")
        results.setdefault("runs", {})[_key(name, flags)] = run
        results["data_fingerprint"] = splits.fingerprint
        measure.write("vqvae_32", results)
    _print(measure.read("vqvae_32")["runs"])


def _flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="folder or archive of images")
    parser.add_argument("--quantizer", choices=(*QUANTIZERS, "both"), default="both")
    for name, (kind, default, text) in SETTINGS.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    return parser.parse_args()


def _settings(flags):
    return {name: getattr(flags, name) for name in SETTINGS}


def _key(name, flags):
    """The quantizer, and the settings that are not the defaults."""
    changed = [
        f"{setting}={value}"
        for setting, value in _settings(flags).items()
        if value != SETTINGS[setting][1]
    ]
    return " ".join([name, *changed])


def _train_and_measure(name, flags, splits):
    images = splits.train.arrays()[0]
    variance = float(images.var(dtype="float64"))
    scale = 1 / variance if flags.loss == "variance" else 1.0
    model = _model(name, flags)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        loss="mse",
        loss_weights=scale,
        metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
    )
    began = time.perf_counter()
    last = _train(model, splits.train, flags.steps)
    seconds = time.perf_counter() - began
    test = _measure(model, splits.test.arrays()[0])
    return {
        **test,
        "normalized_mean_squared_error": test["mean_squared_error"] / variance,
        "last_batches_perplexity": last["perplexity"],
        "last_batches_normalized_mean_squared_error": last["error"] / variance,
        "training_seconds": seconds,
        "pixel_variance": variance,
    }


def _model(name, flags):
    """The network with one of the quantizers; equal weights for equal seeds."""
    keras.config.set_dtype_policy(flags.precision)
    keras.utils.set_random_seed(flags.seed)
    ours = models.vqvae_32(lambda tier: _ours(flags))
    if name == "ours":
        return ours
    theirs = models.vqvae_32(lambda tier: _sonnet(flags))
    for weight, start in zip(theirs.trainable_variables, ours.trainable_variables):
        weight.assign(start)
    return theirs


def _ours(flags):
    return VectorQuantizerEMA(
        512,
        64,
        commitment_cost=flags.commitment_cost,
        decay=flags.decay,
        restart_threshold=flags.restart_threshold,
        estimator=flags.estimator,
        seed=flags.seed,
    )


def _sonnet(flags):
    return SonnetQuantizer(512, 64, flags.commitment_cost)


def _train(model, split, steps):
    """Trains; returns perplexity and error, each a mean over the last batches."""
    first = max(steps - LAST_BATCHES, 1)
    for start in range(0, first, STEPS_A_LINE):
        count = min(STEPS_A_LINE, first - start)
        print(f"steps {start + 1} to {start + count} of {steps}", flush=True)
        verbose = 1 if sys.stdout.isatty() else 2
        batches = _pairs(split, start)
        model.fit(batches, steps_per_epoch=count, shuffle=False, verbose=verbose)
    perplexities, errors = [], []
    for images, _ in _pairs(split, first).take(steps - first):
        # Quantization comes before the update of the codebook, so that these are the
        # codes of the step that follows.
        codes = np.asarray(model.encode(images)[0])
        perplexities.append(measures.codebook_usage(codes, 512)["perplexity"])
        error = np.square(images - model.decode((codes,)))
        errors.append(np.mean(error, dtype="float64"))
        model.train_on_batch(images, images)
    return {"perplexity": np.mean(perplexities).item(), "error": np.mean(errors).item()}


def _pairs(split, start_step=0):
    return fitting.pairs(split, BATCH_SIZE, start_step)


def _measure(model, images):
    codes = measures.encode_all(model.encode, images)
    usage = measures.codebook_usage(codes[0], 512)
    rebuilt = measures.decode_all(model.decode, codes)
    return {**measures.reconstruction_error(images, rebuilt), **usage}


def _print(runs):
    keys = ("psnr_of_mean_error", "psnr", "ssim", "perplexity", "dead_codes")
    keys += ("normalized_mean_squared_error", "last_batches_perplexity")
    rows = [(name, *(f"{run[key]:.4g}" for key in keys)) for name, run in runs.items()]
    measure.print_table(("run", *keys), rows)


if __name__ == "__main__":
    main()

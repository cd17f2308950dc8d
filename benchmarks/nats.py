"""Nats of the VAEs on binarized Fashion-MNIST.

    python -m benchmarks.nats --data_dir=fashion-mnist --models vae --epochs=5
    python -m benchmarks.nats --data_dir=fashion-mnist --models hierarchical --epochs=1

Pixels are 1 where the 8-bit value is at least 128; the 28 x 28 images stand on a frame
of zeros, 32 x 32, which costs a trained model next to nothing. The figure is the
negative lower bound of the log likelihood of the 10,000 test images, a mean over
images and `--samples` draws of the latents, beside its two parts. Models: `vae`, the
`bernoulli_vae_32`, three quarters of a minute an epoch on one core; `hierarchical`,
`hierarchical_vae_32` with a Bernoulli likelihood, 21 minutes an epoch in float32.
"""

import argparse
import statistics

import keras
import numpy as np

from benchmarks import measure
from vqzoo import datasets, measures, models

BATCH_SIZE, LEARNING_RATE = 64, 1e-3
IMAGE_SHAPE = (32, 32, 1)
MODELS = {
    "vae": lambda seed, steps: models.bernoulli_vae_32(
        image_shape=IMAGE_SHAPE, seed=seed
    ),
    "hierarchical": lambda seed, steps: models.hierarchical_vae_32(
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        scale=1.0,
        warmup_steps=steps // 3,
        seed=seed,
    ),
}
PARTS = ("elbo", "log_likelihood", "kl")


def main():
    """Trains what is missing, writes the results after each run, prints the table."""
    flags = _flags()
    settings = {
        "samples": flags.samples,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
    }
    rows = measure.Rows("nats", settings)
    splits = datasets.load("folder", data_dir=flags.data_dir, image_size=32)
    train, test = (_binary(split) for split in (splits.train, splits.test))
    for name in flags.models:
        for seed in flags.seeds:
            key = f"{name}, seed {seed}"
            if key not in rows:
                about = {"epochs": flags.epochs, "precision": flags.precision}
                found = _run(MODELS[name], seed, train, test, flags)
                rows.add(key, {**about, **found})
    measure.print_table(*table(rows.read()))


def _flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="Fashion-MNIST's files")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    return parser.parse_args()


def _binary(split):
    """Images whose values are -0.5 and 0.5."""
    images, _ = split.arrays()
    return np.where(images * 255 + 127.5 >= 127.999, 0.5, -0.5).astype("float32")


def _run(make, seed, train, test, flags):
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(flags.precision)
    model = make(seed, flags.epochs * len(train) // BATCH_SIZE)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), model.reconstruction_loss)
    model.fit(train, train, BATCH_SIZE, epochs=flags.epochs, verbose=2)

    def bound(images):
        return model.elbo(images, num_samples=flags.samples)

    parts = measures.in_batches(bound, test)
    return {f"{part}_nats": float(np.mean(parts[part])) for part in PARTS}


def table(rows):
    """Header and rows of text."""
    lines = []
    for name in MODELS:
        found = [row for key, row in rows.items() if key.startswith(f"{name},")]
        if found:
            values = [-row["elbo_nats"] for row in found]
            kl = statistics.median(row["kl_nats"] for row in found)
            spread = f"{min(values):.2f} to {max(values):.2f}"
            median = f"{statistics.median(values):.2f}"
            lines.append(
                (name, found[0]["epochs"], len(found), median, spread, f"{kl:.2f}")
            )
    return ("model", "epochs", "seeds", "nats", "spread", "of them KL"), lines


if __name__ == "__main__":
    main()

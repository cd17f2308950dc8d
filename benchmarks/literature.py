"""Quantizers under the protocol of the SQ-VAE and VQ-WAE papers, on Fashion-MNIST.

    python -m benchmarks.literature --data_dir=fashion-mnist [--epochs=5]

The network is `vqvae_32`: 28 x 28 gray images on a black frame of 32 x 32, 8 x 8 codes,
K = 512, D = 64, beta 0.25, batches of 32, Adam. The papers train 100 epochs at a
learning rate of 1e-3; how many were run here stands in the results. Perplexity is of
the whole test split. What is in the results already is not run again, and a run that
was stopped goes on from its last saved step.

About 3 minutes an epoch and contestant on two cores in float32.
"""

import pathlib

from absl import app, flags

from benchmarks import measure
from vqzoo import training
from vqzoo.studies.sweep_loop import finished

FLAGS = flags.FLAGS
CONTESTANTS = {
    "gradient": {"quantizer": "gradient"},
    "EMA, random start, no restarts": {
        "codebook_init": "random_normal",
        "restart_threshold": 0.0,
    },
    "EMA": {},
    "EMA, restarts below 0.8": {"restart_threshold": 0.8},
    "EMA, cosine": {"quantizer": "cosine"},
    "EMA, 8 dimensions": {"quantizer": "low_dimensional"},
    "EMA, 8 dimensions, cosine": {
        "quantizer": "low_dimensional",
        "quantizer_options": ("normalize=True",),
    },
    "SimVQ": {"quantizer": "sim_vq"},
    "FSQ (8, 8, 8)": {"quantizer": "fsq"},
}
COLUMNS = ("psnr", "psnr_of_mean_error", "ssim", "bottom_perplexity", "bottom_usage")


def recipe_of(contestant):
    """The recipe of one row of the table."""
    words = "".join(c if c.isalnum() else "_" for c in contestant)
    settings = {
        "name": f"literature_{words}_{FLAGS.epochs}_{FLAGS.seed}",
        "model": "vqvae_32",
        "dataset": "folder",
        "data_dir": FLAGS.data_dir,
        "image_size": 32,
        "epochs": FLAGS.epochs,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "seed": FLAGS.seed,
        "runs_dir": FLAGS.runs_dir,
        "tensorboard": False,
        **CONTESTANTS[contestant],
    }
    return training.Recipe(**settings)


def main(argv):
    """Runs what is missing, writes the results after each run, prints the table."""
    del argv
    settings = {"epochs": FLAGS.epochs, "data": pathlib.Path(FLAGS.data_dir).name}
    rows = measure.Rows("literature", settings)
    for contestant in map(str.strip, FLAGS.contestants):
        key = f"{contestant}, seed {FLAGS.seed}"
        if key not in rows:
            run_dir = finished(recipe_of(contestant))
            metrics = measure.test_figures(run_dir)
            rows.add(key, {name: metrics[name] for name in COLUMNS})
    measure.print_table(*table(rows.read()))


def table(rows):
    """Header and rows of text."""
    header = ("quantizer", "PSNR", "of the mean error", "SSIM", "perplexity", "usage")
    forms = ("{:.2f} dB", "{:.2f} dB", "{:.3f}", "{:.0f}", "{:.1%}")
    return header, [
        (key, *(form.format(row[name]) for form, name in zip(forms, COLUMNS)))
        for key, row in rows.items()
    ]


def define_flags():
    """The command line, defined only where this module is run."""
    flags.DEFINE_string(
        "data_dir", None, "Fashion-MNIST's gzipped files", required=True
    )
    flags.DEFINE_list("contestants", list(CONTESTANTS), f"any of {tuple(CONTESTANTS)}")
    flags.DEFINE_integer("epochs", 5, "passes over the training images")
    flags.DEFINE_integer("seed", 0, "of the weights and the batches")
    flags.DEFINE_string("runs_dir", "runs", "where the folders of the runs are made")


if __name__ == "__main__":
    define_flags()
    app.run(main)

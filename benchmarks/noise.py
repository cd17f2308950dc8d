"""Noisy against noiseless codebooks: collapsed plain, healthy plain, noisy.

    python -m benchmarks.noise --data_dir=cifar10.tar.xz [--seeds=0,1,2] [--epochs=3]

Trains `vqvae2_32` (codes 8 x 8 and 16 x 16) on the same batches from the same weights
for each condition and seed, and metrics on the test split: error, codes used, set
perplexity, the ordering of the codebooks and a linear probe on the scalar indices of
the top tier, as they are and after the codes are sorted along their main axis. A
condition and seed that is in the results already is not run again, and one that was
stopped goes on from its last saved step, so that the table can be made in pieces. 7 to
12 minutes for each of the 9 runs on two cores.
"""

import dataclasses
import statistics

import keras
import numpy as np
from absl import app, flags

from benchmarks import measure
from vqzoo import datasets, measures
from vqzoo.ops import main_axis_order
from vqzoo.recipes.vqvae2_noisy import RECIPE
from vqzoo.runs.folder import Run
from vqzoo.studies.sweep_loop import finished

FLAGS = flags.FLAGS
CONDITIONS = {
    "collapsed plain": {
        "noise_stddev": (0.0,),
        "codebook_init": "random_normal",
        "restart_threshold": 0.0,
        "sorted_codes": False,
    },
    "healthy plain": {"noise_stddev": (0.0,), "sorted_codes": False},
    "noisy": {},
    "noise alone": {
        "codebook_init": "random_normal",
        "restart_threshold": 0.0,
        "sorted_codes": False,
    },
    "noisy, not sorted": {"sorted_codes": False},
    "sorted, no noise": {"noise_stddev": (0.0,)},
    "noisy, no restarts": {"restart_threshold": 0.0},
    "noisy, clip": {"noise_boundary": "clip"},
    "noisy, wrap": {"noise_boundary": "wrap"},
    "noise 1.0 and 0.3": {"noise_stddev": (1.0, 0.3)},
}
COLUMNS = (
    "codebook",
    "seeds",
    "test error",
    "PSNR",
    "codes used, top / bottom",
    "set perplexity",
    "ordering",
    "probe on top indices",
    "sorted afterwards",
)
TABLE = ("collapsed plain", "healthy plain", "noisy")

flags.DEFINE_string("data_dir", None, "CIFAR-10 as a folder or archive", required=True)
flags.DEFINE_list("conditions", list(TABLE), f"any of {tuple(CONDITIONS)}")
flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of weights, batches and noise")
flags.DEFINE_integer("epochs", 3, "passes over the 45,000 training images")
flags.DEFINE_integer("batch_size", 64, "images of a step")
flags.DEFINE_float("learning_rate", 3e-4, "of Adam, at the start; cosine to zero")
flags.DEFINE_integer("probe_images", 10_000, "test images of the linear probe")
flags.DEFINE_string("runs_dir", "runs", "where the folders of the runs are made")
flags.DEFINE_string("results", "noise", "name of the file in benchmarks/results")


def recipe_of(condition, seed):
    """The recipe of one run of the comparison."""
    words = condition.replace(",", "").replace(" ", "_")
    name = f"noise_{words}_{FLAGS.epochs}x{FLAGS.batch_size}_{seed}"
    return dataclasses.replace(
        RECIPE,
        **{
            "name": name,
            "model": "vqvae2_32",
            "dataset": "folder",
            "data_dir": FLAGS.data_dir,
            "image_size": 32,
            "epochs": FLAGS.epochs,
            "max_steps_per_epoch": 0,
            "batch_size": FLAGS.batch_size,
            "learning_rate": FLAGS.learning_rate,
            "seed": seed,
            "runs_dir": FLAGS.runs_dir,
            **CONDITIONS[condition],
        },
    )


def train(recipe):
    """Runs a recipe, or the rest of it where it was stopped; returns the model."""
    run_dir = finished(recipe)
    return keras.saving.load_model(Run(run_dir).model_path)


def figures(model, split, probe_images):
    """Measures a model on the test split: a flat dict of floats."""
    images, labels = split.arrays()
    codes = measures.encode_all(model.encode, images)
    rebuilt = measures.decode_all(model.decode, codes)
    found = measures.reconstruction_error(images, rebuilt)
    for tier, layer, tier_codes in zip(model.tier_names, model.quantizers, codes):
        usage = measures.codebook_usage(tier_codes, layer.num_embeddings)
        ordering = measures.codebook_ordering(layer.codebook.numpy())
        found |= {f"{tier}_{name}": value for name, value in usage.items()}
        found[f"{tier}_used"] = layer.num_embeddings - usage["dead_codes"]
        found[f"{tier}_ordering"] = ordering
    probe = measures.linear_probe(codes[0][:probe_images], labels[:probe_images])
    found |= {f"top_probe_{name}": value for name, value in probe.items()}
    places = np.argsort(main_axis_order(model.quantizers[0].codebook.value))
    sorted_codes = places[codes[0][:probe_images]]
    probe = measures.linear_probe(sorted_codes, labels[:probe_images])
    return found | {"top_probe_sorted_accuracy": probe["accuracy"]}


def against_healthy(rows):
    """Error and probe of each condition over the healthy plain one, seed by seed."""
    runs = rows.values()
    healthy = {r["seed"]: r for r in runs if r["condition"] == "healthy plain"}
    ratios = {}
    for run in runs:
        base = healthy.get(run["seed"])
        if base is not None:
            pair = ratios.setdefault(run["condition"], {"error": [], "probe": []})
            error = run["mean_squared_error"] / base["mean_squared_error"]
            pair["error"].append(round(error, 4))
            probe = run["top_probe_accuracy"] / base["top_probe_accuracy"]
            pair["probe"].append(round(probe, 4))
    for pair in ratios.values():
        pair |= {f"median_{k}": statistics.median(v) for k, v in list(pair.items())}
    return ratios


def main(argv):
    """Runs what is missing, writes the results after each run, prints the table."""
    del argv
    names = ("epochs", "batch_size", "learning_rate", "probe_images")
    settings = {name: FLAGS[name].value for name in names}
    settings["learning_rate_schedule"] = RECIPE.learning_rate_schedule
    rows = measure.Rows(FLAGS.results, settings)
    splits = datasets.load("folder", data_dir=FLAGS.data_dir, image_size=32)
    for seed in map(int, FLAGS.seeds):
        for condition in FLAGS.conditions:
            key = f"{condition} seed {seed}"
            if key in rows:
                continue
            model = train(recipe_of(condition, seed))
            found = figures(model, splits.test, FLAGS.probe_images)
            row = {"condition": condition, "seed": seed}
            rows.add(key, {**row, "dtype": model.layer_dtype.name, **found})
    measure.print_table(*table(rows.read()))


def table(rows):
    """Header and rows of text: medians over the seeds, of the probe also the spread."""
    lines = []
    for condition in dict.fromkeys(row["condition"] for row in rows.values()):
        runs = [row for row in rows.values() if row["condition"] == condition]
        median = {
            name: statistics.median(run[name] for run in runs)
            for name in runs[0]
            if name not in ("condition", "dtype")
        }
        probes = sorted(run["top_probe_accuracy"] for run in runs)
        lines.append(
            (
                condition,
                str(len(runs)),
                "{mean_squared_error:.5f}".format(**median),
                "{psnr:.2f} dB".format(**median),
                "{top_used:.0f} / {bottom_used:.0f}".format(**median),
                "{top_perplexity:.0f} / {bottom_perplexity:.0f}".format(**median),
                "{top_ordering:.2f} / {bottom_ordering:.2f}".format(**median),
                f"{statistics.median(probes):.1%}, {probes[0]:.1%} to {probes[-1]:.1%}",
                _percent(median.get("top_probe_sorted_accuracy")),
            )
        )
    return COLUMNS, lines


def _percent(share):
    return "" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    app.run(main)

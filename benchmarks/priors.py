"""Bits per code on held-out codes: priors beside each other, with and without class.

    python -m benchmarks.priors --data_dir=cifar10.tar.xz
        [--model=export/vqvae2_noisy/model.keras --label=noisy] [--epochs=10]

Each prior is fitted to the top codes of the training images, its best epoch by the
validation images, and its bits taken on the test images. PixelSNAIL and the gated
PixelCNN have nearly equal numbers of weights, and the former drops a tenth of its
features in training unless its name says otherwise; `pixelcnn` is the network of the
keras.io example. What is in the results already is not run again, and a run that was
stopped goes on from its last saved step. 10 to 30 minutes a row on two cores.
"""

import statistics

from absl import app, flags

from benchmarks import measure
from vqzoo import training
from vqzoo.studies.sweep_loop import finished

FLAGS = flags.FLAGS
SNAIL = (
    "num_blocks=2",
    "num_residual_blocks=2",
    "num_channels=104",
    "residual_channels=104",
    "kernel_size=3",
    "num_heads=4",
)
PRIORS = {
    "pixelcnn": ("pixelcnn", ()),
    "gated_pixelcnn": (
        "gated_pixelcnn",
        ("num_layers=12", "num_channels=64"),
    ),
    "pixelsnail": ("pixelsnail", SNAIL),
    "pixelsnail_without_dropout": ("pixelsnail", (*SNAIL, "dropout=0.0")),
    "transformer": (
        "transformer",
        ("num_layers=6", "num_channels=144", "num_heads=4"),
    ),
}
HEADER = ("codes", "prior", "weights", "class", "seeds", "bits per code", "unigram")


def recipe_of(prior, knows_class, seed):
    """The recipe of one row."""
    kind, options = PRIORS[prior]
    words = (
        FLAGS.label,
        prior,
        "class" if knows_class else "alone",
        FLAGS.epochs,
        seed,
    )
    return training.PriorRecipe(
        name="prior_" + "_".join(map(str, words)),
        model=FLAGS.model,
        tiers=("top",),
        prior=kind,
        prior_options=options,
        class_conditional=knows_class,
        dataset="folder",
        data_dir=FLAGS.data_dir,
        epochs=FLAGS.epochs,
        batch_size=64,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        seed=seed,
        runs_dir=FLAGS.runs_dir,
        tensorboard=False,
    )


def main(argv):
    """Runs what is missing, writes the results after each run, prints the table."""
    del argv
    rows = measure.Rows("priors", {"epochs": FLAGS.epochs})
    for seed in map(int, FLAGS.seeds):
        for prior in FLAGS.priors:
            for knows_class in (word == "yes" for word in FLAGS.classes):
                about = {
                    "codes": FLAGS.label,
                    "prior": prior,
                    "knows_class": knows_class,
                    "seed": seed,
                }
                key = ", ".join(map(str, about.values()))
                if key not in rows:
                    recipe = recipe_of(prior, knows_class, seed)
                    run_dir = finished(recipe)
                    found = measure.test_figures(run_dir)
                    found = {k.removeprefix("top_"): v for k, v in found.items()}
                    rows.add(key, {**found, **about})
    measure.print_table(*table(rows.read()))


def table(rows):
    """Header and rows of text: the median of each prior's seeds."""
    groups = {}
    for run in rows.values():
        key = (run["codes"], run["prior"], run["knows_class"])
        groups.setdefault(key, []).append(run)
    lines = []
    for (codes, prior, knows_class), runs in groups.items():
        bits = statistics.median(run["bits_per_code"] for run in runs)
        lines.append(
            (
                codes,
                prior,
                f"{runs[0]['weights']:,}",
                "yes" if knows_class else "no",
                str(len(runs)),
                f"{bits:.3f}",
                f"{runs[0]['unigram_bits_per_code']:.3f}",
            )
        )
    return HEADER, lines


def define_flags():
    """The command line, defined only where this module is run."""
    flags.DEFINE_string(
        "data_dir", None, "CIFAR-10 as a folder or archive", required=True
    )
    flags.DEFINE_string(
        "model", "export/vqvae2_noisy/model.keras", "whose codes they are"
    )
    flags.DEFINE_string("label", "noisy", "name of the codes in the results")
    flags.DEFINE_list("priors", list(PRIORS), f"any of {tuple(PRIORS)}")
    flags.DEFINE_list("classes", ["no", "yes"], "whether the prior knows the class")
    flags.DEFINE_list("seeds", ["0"], "seeds of weights and batches")
    flags.DEFINE_integer("epochs", 10, "passes over the training codes, at most")
    flags.DEFINE_string("runs_dir", "runs", "where the folders of the runs are made")


if __name__ == "__main__":
    define_flags()
    app.run(main)

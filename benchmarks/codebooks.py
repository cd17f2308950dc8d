"""Collapsed, healthy and noisy codes under the same priors: bits, samples, times.

    python -m benchmarks.codebooks --data_dir=cifar10.tar.xz [--seeds=0,1,2]
        [--codebooks=...] [--priors=...]

For each seed and codebook a `vqvae_32` (8 x 8 codes of 512, one tier) is trained, then
each prior on its codes, with the class as condition. 1,024 samples of each are judged
by one classifier that was trained on real images: the Frechet distance of its features,
precision and recall, and the share that it gives the class that was asked for. Beside
them stand as many real test images, and reconstructions of these, which no prior can
pass. Of GANs come the distance of their latents to the nearest codes and how diverse
their maps are.

What is in the results already is not run again, and a run that was stopped goes on
from its last saved step; several processes may share the work. On one core with
bfloat16 four minutes a codebook, five a PixelCNN, thirteen a GAN.
"""

import statistics
import time

import keras
import numpy as np
from absl import app, flags

from benchmarks import measure
from vqzoo import datasets, measures, report, training
from vqzoo.measures import classifier, frechet
from vqzoo.measures.brittleness import brittleness
from vqzoo.ops import main_axis_order
from vqzoo.priors import pipeline
from vqzoo.runs.folder import Run
from vqzoo.studies.sweep_loop import finished

FLAGS = flags.FLAGS
CODEBOOKS = {
    "collapsed": {"codebook_init": "random_normal", "restart_threshold": 0.0},
    "healthy": {},
    "noisy": {"noise_stddev": (1.0,), "sorted_codes": True},
}
OF_RECIPE = {
    "gated_pixelcnn": training.PriorRecipe,
    "maskgit": training.PriorRecipe,
    "progressive_gan": training.GANRecipe,
    "dcgan": training.GANRecipe,
}
OF_PRIOR = {"learning_rate": 1e-3, "learning_rate_schedule": "cosine", "batch_size": 64}
PRIORS = {
    "gated_pixelcnn": {
        **OF_PRIOR,
        "prior": "gated_pixelcnn",
        "prior_options": ("num_layers=6", "num_channels=32"),
        "epochs": 3,
    },
    "maskgit": {
        **OF_PRIOR,
        "prior": "maskgit",
        "prior_options": ("num_layers=4", "num_channels=96", "num_heads=4"),
        "epochs": 5,
    },
    "progressive_gan": {
        "prior_options": (
            "channels=(128,64)",
            "noise_dim=128",
            "num_residual_layers=2",
        ),
        "scale_steps": (500, 1500),
        "learning_rate": 1e-4,
    },
    "dcgan": {
        "gan": "dcgan",
        "gan_loss": "non_saturating",
        "prior_options": ("channels=(256,128)",),
        "scale_steps": (2000,),
        "learning_rate": 2e-4,
        "critic_learning_rate": 2e-4,
    },
}
NUM_SAMPLES = 1024
SECTIONS = ("codebook", "probe", "brittleness", "interpolation")
# Of each codebook: words, and how it is printed.
OF_IMAGES = {
    "psnr": ("PSNR of reconstructions", "{:.2f} dB"),
    "usage": ("codes in use", "{:.0%}"),
    "perplexity": ("set perplexity", "{:.0f}"),
}
OF_CODES = {
    "codebook.ordering": ("ordering", "{:.2f}"),
    "probe.indices_accuracy": ("probe: indices", "{:.1%}"),
    "probe.sorted_indices_accuracy": ("probe: indices, sorted afterwards", "{:.1%}"),
    "probe.one_hot_accuracy": ("probe: one-hot indices", "{:.1%}"),
    "probe.vectors_accuracy": ("probe: code vectors", "{:.1%}"),
    "brittleness.0.25_1_psnr": ("a quarter of the indices moved by 1", "{:.1f} dB"),
    "brittleness.0.25_1_agreement": ("classes that are kept then", "{:.0%}"),
    "sorted.0.25_1_psnr": ("the same, codes sorted afterwards", "{:.1f} dB"),
    "sorted.0.25_1_agreement": ("classes that are kept then", "{:.0%}"),
    "brittleness.0.25_10_psnr": ("moved by 10", "{:.1f} dB"),
    "brittleness.0.25_10_agreement": ("classes that are kept then", "{:.0%}"),
    "sorted.0.25_10_psnr": ("the same, codes sorted afterwards", "{:.1f} dB"),
    "interpolation.real_nearest_real": ("real images: nearest real one", "{:.2f}"),
    "interpolation.pixels_nearest_real": ("blends of pixels", "{:.2f}"),
    "interpolation.codes_nearest_real": ("mid-points of code vectors", "{:.2f}"),
    "interpolation.indices_nearest_real": ("mid-points of indices", "{:.2f}"),
    "interpolation.codes_likeness": ("code vectors: PSNR to the blend", "{:.1f} dB"),
    "interpolation.indices_likeness": ("indices: PSNR to the blend", "{:.1f} dB"),
}
HEADER = (
    "codebook",
    "prior",
    "seeds",
    "bits per code",
    "FD-resnet",
    "precision",
    "recall",
    "of the class",
    "diversity",
    "codes used",
    "training",
    "1,024 samples",
)
# Of a row, and how it is printed.
COLUMNS = {
    "bits_per_code": "{:.2f}",
    "fd_resnet": "{:.3g}",
    "precision": "{:.2f}",
    "recall": "{:.2f}",
    "of_the_class": "{:.1%}",
    "diversity": "{:.2f}",
    "codes_used": "{:.0%}",
    "training_seconds": "{:.0f} s",
    "sampling_seconds": "{:.2f} s",
}


def main(argv):
    """Runs what is missing, writes the results after each run, prints the table."""
    del argv
    rows = measure.Rows("codebooks", {"samples": NUM_SAMPLES, "epochs": FLAGS.epochs})
    judge = None
    for seed in map(int, FLAGS.seeds):
        for codebook in FLAGS.codebooks:
            for prior in ("reconstructions", *FLAGS.priors):
                key = f"{codebook}, {prior}, seed {seed}"
                if key in rows:
                    continue
                judge = judge or Judge()
                if "real images" not in rows:
                    rows.add("real images", judge.of_real_images())
                model = finished(_model_recipe(codebook, seed))
                about = {"codebook": codebook, "prior": prior, "seed": seed}
                if prior == "reconstructions":
                    found = judge.of_model(model)
                else:
                    found = judge.of_prior(_prior_recipe(prior, codebook, seed, model))
                rows.add(key, {**about, **found})
                keras.backend.clear_session()
    for make in (table, codes_table):
        measure.print_table(*make(rows.read()))


def _model_recipe(codebook, seed):
    settings = {
        "name": f"codebooks_{codebook}_{FLAGS.epochs}_{seed}",
        "model": "vqvae_32",
        "image_size": 32,
        "epochs": FLAGS.epochs,
        "batch_size": 64,
        "learning_rate_schedule": "cosine",
        **CODEBOOKS[codebook],
    }
    return training.Recipe(**settings, **_of_all(seed))


def _prior_recipe(prior, codebook, seed, model):
    name = f"codebooks_{prior}_{codebook}_{FLAGS.epochs}_{seed}"
    settings = {**PRIORS[prior], "name": name, "model": str(model / "model.keras")}
    return OF_RECIPE[prior](**settings, **_of_all(seed))


def _of_all(seed):
    return {
        "dataset": "folder",
        "data_dir": FLAGS.data_dir,
        "seed": seed,
        "runs_dir": FLAGS.runs_dir,
        "tensorboard": False,
    }


class Judge:
    """A classifier of real images, and what it says of a model's and a prior's."""

    def __init__(self):
        splits = datasets.load("folder", data_dir=FLAGS.data_dir, image_size=32)
        self.sizes = sizes = report.Sizes()
        self.data = report.Data.of(splits, sizes)
        train = self.data.train_images[: sizes.train_images]
        self.images = self.data.images[:NUM_SAMPLES]
        self.labels = self.data.labels[:NUM_SAMPLES]
        self.network = classifier.fit_classifier(
            self.data.train_images,
            self.data.train_labels,
            len(self.data.class_names),
            steps=sizes.judge_steps,
        )
        self.known = self.network.features(train)
        self.diversity = measures.diversity(train)

    def of_real_images(self):
        """The floor: what real test images, as many as the samples, have."""
        return self._of_images(self.images, self.labels)

    def of_model(self, run_dir):
        """Reconstructions of those test images, the errors of all, and the codes."""
        model = keras.saving.load_model(Run(run_dir).model_path)
        subject = report.Subject(model, self.data, self.sizes)
        subject.judge = self.network
        sections = report.measure(subject, report.named(SECTIONS))
        measured = {
            f"{section.name}.{name.removeprefix('bottom_')}": value
            for section in sections
            for name, value in section.metrics.items()
        }
        found = {
            name.removeprefix("bottom_"): value
            for name, value in measure.test_figures(run_dir).items()
        }
        measured |= sorted_brittleness(subject)
        found |= {name: measured[name] for name in OF_CODES if name in measured}
        return found | self._of_images(subject.rebuilt[:NUM_SAMPLES], self.labels)

    def of_prior(self, recipe):
        """What a prior draws, its own figures, and its time."""
        run_dir = finished(recipe)
        found = {
            name.removeprefix("bottom_"): value
            for name, value in measure.test_figures(run_dir).items()
        }
        epochs = [row for part in Run(run_dir).parts() for row in part.history()]
        found["training_seconds"] = sum(row["seconds"] for row in epochs)
        drawn = pipeline.load(run_dir)
        drawn.sample(NUM_SAMPLES, seed=1)  # compiles
        began = time.perf_counter()
        samples = drawn.sample(NUM_SAMPLES, seed=0)
        found["sampling_seconds"] = time.perf_counter() - began
        of_maps = found.pop("diversity", None)
        if of_maps is not None:
            found["diversity_of_maps"] = of_maps
        return found | self._of_images(samples.images, samples.labels)

    def _of_images(self, images, labels):
        images = np.clip(images, -0.5, 0.5)
        features = self.network.features(images)
        return {
            "fd_resnet": frechet.frechet_distance(self.known, features),
            **frechet.precision_recall(self.known[: self.sizes.compared], features),
            "of_the_class": self.network.accuracy(images, labels),
            "diversity": measures.diversity(images) / self.diversity,
        }


def sorted_brittleness(subject):
    """The brittleness that sorting the codes along their main axis leaves: a dict."""
    tier, codes = subject.tiers[0], subject.some_codes(subject.sizes.few)[0]
    order = np.asarray(main_axis_order(tier.codebook))
    rows = brittleness(
        lambda codes: subject.decode((order[codes[0]],)),
        (np.argsort(order)[codes],),
        tier.num_embeddings,
        tier=0,
        shares=(0.25,),
        distances=(1, 10),
        classify=subject.judge.classify,
    )
    return {
        f"sorted.0.25_{row['distance']}_{kind}": row[kind]
        for row in rows
        for kind in ("psnr", "agreement")
    }


def table(rows):
    """Header and rows of text: medians over the seeds, real images first."""
    groups = {}
    for run in rows.values():
        groups.setdefault((run.get("codebook", ""), run.get("prior")), []).append(run)
    order = {name: place for place, name in enumerate(("reconstructions", *PRIORS))}
    books = {name: place for place, name in enumerate(CODEBOOKS)}
    lines = []
    for codebook, prior in sorted(
        groups, key=lambda pair: (order.get(pair[1], -1), books.get(pair[0], -1))
    ):
        runs = groups[codebook, prior]
        cells = [
            form.format(statistics.median(run[name] for run in runs))
            if name in runs[0]
            else ""
            for name, form in COLUMNS.items()
        ]
        seeds = str(len(runs)) if codebook else ""
        lines.append((codebook, prior or "real test images", seeds, *cells))
    return HEADER, lines


def codes_table(rows):
    """Header and rows of text: what the codes of each codebook are like."""
    columns = OF_IMAGES | OF_CODES
    groups = {name: [] for name in CODEBOOKS}
    for run in rows.values():
        if run.get("prior") == "reconstructions":
            groups[run["codebook"]].append(run)
    lines = [
        (
            words,
            *(
                _spread([run[name] for run in groups[codebook] if name in run], form)
                for codebook in CODEBOOKS
            ),
        )
        for name, (words, form) in columns.items()
    ]
    return ("median, and range of the seeds", *CODEBOOKS), lines


def _spread(values, form):
    if not values:
        return ""
    ends = form.format(min(values)), form.format(max(values))
    median = form.format(statistics.median(values))
    return median if len(set(ends)) == 1 else f"{median} ({ends[0]} to {ends[1]})"


def define_flags():
    """The command line, defined only where this module is run."""
    flags.DEFINE_string(
        "data_dir", None, "CIFAR-10 as a folder or archive", required=True
    )
    flags.DEFINE_list("codebooks", list(CODEBOOKS), f"any of {tuple(CODEBOOKS)}")
    flags.DEFINE_list("priors", list(PRIORS), f"any of {tuple(PRIORS)}")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "of weights and batches")
    flags.DEFINE_integer("epochs", 3, "of the autoencoder")
    flags.DEFINE_string("runs_dir", "runs", "where the folders of the runs are made")


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""What the runs of all priors have: codes of a data set, then a prior of each tier."""

import dataclasses
import inspect
import pathlib
import time
import typing

import numpy as np

from vqzoo import registry
from vqzoo.registry import lazily, parse_options
from vqzoo.runs import files
from vqzoo.runs.folder import MODEL, Run, prior_file
from vqzoo.training.settings import DataSettings, RunSettings, setting

augmentation = lazily("vqzoo.datasets.augmentation")
code_shards = lazily("vqzoo.datasets.code_shards")
conditions = lazily("vqzoo.priors.conditions")
datasets = lazily("vqzoo.datasets")
devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
learned = lazily("vqzoo.training.learned")
measures = lazily("vqzoo.measures")
pipeline = lazily("vqzoo.priors.pipeline")
plots = lazily("vqzoo.plots")
report = lazily("vqzoo.training.report")
splitting = lazily("vqzoo.datasets.splits")
trained = lazily("vqzoo.trained")

SHOWN_SAMPLES = 64
SETTLING_GRIDS = 512


class Fitted(typing.NamedTuple):
    """The prior of a tier after its training: its file, figures on the test split."""

    prior: typing.Any
    path: pathlib.Path
    figures: dict
    history: list


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierRecipe(RunSettings, DataSettings):
    """The model and its codes; its tiers are learned one by one.

    Abstract: `PriorRecipe` and `GANRecipe` add which priors, in the field that `kind`
    names, from which package, and how they are fitted and measured.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    model: str = setting(
        "export/vqvae2_noisy/model.keras",
        "the trained model whose codes are learned: a folder of a run or an artifact, "
        "or a .keras file",
    )
    tiers: tuple[str, ...] = setting(
        (), "train only these tiers (then no images can be drawn); empty: all"
    )
    prior_options: tuple[str, ...] = setting(
        (),
        "arguments of the priors, name=value for all tiers or tier.name=value for one, "
        "for example num_channels=64,bottom.num_heads=0",
    )
    class_conditional: bool = setting(
        True,
        "condition on the class, if the data has classes",
    )
    codes_dir: str = setting(
        "",
        "folder for the codes of the data, or one that `vqzoo encode` wrote with this "
        "model, for which no images are read; empty: in --runs_dir",
    )

    flip: bool = setting(
        False, "also learn the codes of mirrored training images, which are made too"
    )

    def __post_init__(self):
        super().__post_init__()
        self.expect(
            "model",
            not self.model.startswith(trained.HUB),
            "a folder or a .keras file, which `vqzoo convert` makes of a checkpoint",
        )
        self.options_of("")

    def run(self):
        """Extracts codes, trains a prior for each tier and leaves a folder of all.

        The folder holds what a pipeline is loaded from.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            RunError: if the run cannot go on, for a reason that its user can fix, or
                a GAN diverges.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the data or the model.
        """
        self.check_used()
        recipe = self.shrunk()
        with fitting.surroundings(self.strategy, self.precision, self.seed) as strategy:
            if devices.is_multi_worker(strategy):
                raise files.RunError(
                    "priors train on the devices of one machine: unset TF_CONFIG"
                )
            return recipe._run(strategy)

    def _run(self, strategy):
        model = learned.load(self.model, self.takes_values)
        self.check_tiers(model.tier_names)
        self.check_layouts(model)
        codes = self.extract(model)
        self._check_data(codes, strategy)
        settings = fitting.settings(
            self.identity(),
            model.image_shape,
            codes.class_names,
            codes.data,
            data=codes.summary,
            model_fingerprint=codes.model,
            tier_shapes={k: list(v) for k, v in codes.tier_shapes.items()},
            num_embeddings=dict(codes.num_embeddings),
        )
        opened = Run.open(self.runs_dir, self.name, settings, resume=self.resume)
        with opened as run:
            return self._train(model, codes, run, strategy)

    def _train(self, model, codes, run, strategy):
        fitted = {
            tier: self._train_tier(model, codes, tier, run, strategy)
            for tier in model.tier_names
            if tier in (self.tiers or model.tier_names)
        }
        metrics, pictures = _metrics(model, fitted)
        pictures |= self._pictures(run)
        delivered = {}
        if len(fitted) == len(model.tier_names):
            seconds, delivered, samples = self._draw(model, codes, fitted)
            metrics["seconds_per_sample"] = seconds
            pictures["samples"] = samples
        run.finish({"test": metrics}, pictures=pictures, **delivered)
        report.say_what_came(self.name, run, list(fitted), metrics)
        return run.path

    @property
    def takes_values(self):
        """Whether the priors are of codes with real numbers beside them."""
        return False

    def _check_data(self, codes, strategy):
        """Raises ValueError or RunError if the data or the devices do not fit."""

    def _train_tier(self, model, codes, tier, run, strategy):
        """Trains the prior of a tier, or the rest of it, or nothing if it is done.

        Returns:
            `Fitted`, of the best epoch.
        """
        keras.utils.set_random_seed(self.seed)
        part = run.part(tier)
        if not part.is_finished:
            self._fit(model, codes, tier, part, strategy)
        prior = keras.saving.load_model(part.best_path, compile=False)
        if not part.is_finished:
            some = held_out(codes, "validation", SETTLING_GRIDS)
            if prior.settle(some, tiers_down_to(codes, tier)):
                prior.save(part.best_path)
            part.finish({"test": self._measured(prior, codes, tier)})
        return Fitted(prior, part.best_path, part.metrics()["test"], part.history())

    def _fit(self, model, codes, tier, run, strategy):
        """Fits the prior of a tier, or goes on with it; leaves the best one."""
        raise NotImplementedError

    def _pictures(self, run):
        """What a run of this kind shows beside bits: a dict of figures by name."""
        del run
        return {}

    def _measured(self, prior, codes, tier):
        """Figures of a fitted prior on the test split: a dict of floats."""
        raise NotImplementedError

    def extract(self, model):
        """The codes of the data, extracted or opened: `datasets.codes.CodeSplits`.

        Raises:
            RunError: if `vqzoo encode` wrote the folder with another model.
            ValueError: if the images do not fit the model, or the folder holds others.
        """
        if self.codes_dir and code_shards.is_encoded(self.codes_dir):
            self.expect("flip", not self.flip, "False with codes of `vqzoo encode`")
            return learned.encoded(model, self.codes_dir, self.runs_dir)
        splits = self._splits(model)
        if self.smoke:
            splits = learned.few(splits)
        if self.flip:
            splits = augmentation.with_mirrored(splits)
        encode = model.codes_and_values if model.is_hybrid else model.encode
        return self.codes_of(model, encode, splits)

    def _splits(self, model):
        """The images in the shape of the model's, after lines on what they are."""
        splits = measures.load_splits(model, self)
        for line in datasets.describe(splits):
            fitting.say(line)
        return splits

    def codes_of(self, model, encode, splits):
        """The codes that a function makes of a data set, made now or found.

        Args:
            model: the model that they are codes of.
            encode: function from a batch of the data to a tuple of codes, top first,
                and then of the numbers beside those of a hybrid model.
            splits: `Splits`.
        """
        return learned.extract(model, encode, splits, self.codes_dir, self.runs_dir)

    def check_tiers(self, tier_names):
        """Raises ValueError if a setting names a tier that the model does not have."""
        known = set(self.tiers) <= set(tier_names)
        self.expect("tiers", known, f"of {tuple(tier_names)}")
        for option in self.prior_options:
            tier, dot, _ = option.partition("=")[0].rpartition(".")
            self.expect(
                "prior_options", not dot or tier in tier_names, f"of tiers {tier_names}"
            )

    def check_layouts(self, model):
        """Raises ValueError unless the prior is one of codes as those of the model."""
        prior = registry.find(self.package, getattr(self, self.kind))
        for layout, tier in zip(model.layouts, model.tier_names):
            try:
                prior.check_layout(layout, tier)
            except ValueError as error:
                raise ValueError(f"--{self.kind}: {error}") from error

    def options_of(self, tier):
        """The arguments that the prior of a tier gets: a dict."""
        options = {}
        for option in self.prior_options:
            left, _, value = option.partition("=")
            of_one, dot, name = left.rpartition(".")
            if not dot or of_one == tier:
                options |= parse_options([f"{name}={value}"])
        return options

    def build_prior(
        self, tier, grid_shape, num_embeddings, num_classes, context, **more
    ):
        """The prior of a tier with new weights.

        Args:
            tier: str, its name.
            grid_shape: `(height, width)` of its codes.
            num_embeddings: int, K.
            num_classes: int, 0 for none.
            context: sequence of `(grid shape, number of codes)` of the tiers above.
            **more: of this kind of prior.

        Raises:
            ValueError: if it cannot be made so, with the name of the flag.
        """
        name = getattr(self, self.kind)
        prior = registry.find(self.package, name)
        options = self.options_of(tier)
        if "seed" in inspect.signature(prior).parameters:
            options.setdefault("seed", self.seed)
        if not num_classes and options.pop("label_dropout", 0):
            fitting.say(f"The {tier} prior has no label_dropout: there are no classes")
        if self.smoke:
            options |= prior.smoke_options
        sizes = {"num_classes": num_classes, "context": context, **more}
        try:
            return prior(
                grid_shape, num_embeddings, name=f"{tier}_prior", **sizes, **options
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"--{self.kind}={name} cannot be made for the {tier} tier with "
                f"--prior_options={','.join(self.prior_options)}: {error}"
            ) from error

    def sizes_of(self, codes, tier):
        """What the prior of a tier is made for, by the names of its arguments."""
        num_classes = len(codes.class_names) if self.class_conditional else 0
        shapes, sizes = codes.tier_shapes, codes.num_embeddings
        return conditions.sizes(shapes, sizes, tier, num_classes, codes.num_values)

    def _draw(self, model, codes, fitted):
        """Draws samples of all tiers.

        Returns:
            `(seconds, delivered, figure)`: how long one takes, what `Run.finish` takes
            of a pipeline, and a picture.
        """
        priors = [one.prior for one in fitted.values()]
        names = codes.class_names if self.class_conditional else ()
        sampler = pipeline.Pipeline(model, priors, names, codes.model)
        models = {MODEL: trained.model_file(self.model)}
        models |= {prior_file(tier): one.path for tier, one in fitted.items()}
        count = 4 if self.smoke else SHOWN_SAMPLES
        sampler.sample(count, seed=0)  # compiles
        began = time.monotonic()
        samples = sampler.sample(count, seed=0)
        seconds = time.monotonic() - began
        title = f"Samples of {self.name}"
        figure = plots.samples(samples.images, samples.labels, names, title)
        delivered = {"models": models, "pipeline": sampler.description}
        return seconds / count, delivered, figure


def held_out(codes, split, limit=None):
    """Codes and labels of a split, all or so many from all over it: a dict."""
    size = getattr(codes, split).size
    return codes.rows(split, splitting.spread(size, limit or size))


def tiers_down_to(codes, tier):
    """Names of the tiers above a tier, top first, and its own."""
    tiers = list(codes.tier_shapes)
    return tiers[: tiers.index(tier) + 1]


def _metrics(model, fitted):
    """Figures of all tiers that were fitted, and a picture of bits over the epochs."""
    figures = {tier: one.figures for tier, one in fitted.items()}
    metrics = {f"{t}_{k}": v for t, row in figures.items() for k, v in row.items()}
    if not all("bits_per_code" in row for row in figures.values()):
        return metrics, {}
    if len(fitted) == len(model.tier_names) and model.is_hybrid:
        # A density has no bits.
        metrics["nats_per_image"] = sum(
            row["nats_per_place"] * row["codes"] for row in figures.values()
        )
    elif len(fitted) == len(model.tier_names):
        total = sum(row["bits_per_code"] * row["codes"] for row in figures.values())
        metrics["bits_per_image"] = total
        metrics["bits_per_pixel"] = total / np.prod(model.image_shape[:2])
    histories = {tier: one.history for tier, one in fitted.items()}
    figure = plots.learning_curves(histories, "bits_per_code", "bits per code")
    return metrics, {"bits": figure}

"""The training of autoencoders, on `compile` and `fit`."""

import ast
import dataclasses
import functools
import inspect
import pathlib

from vqzoo import registry
from vqzoo.registry import lazily
from vqzoo.runs.folder import Run
from vqzoo.training.settings import (
    DataSettings,
    OptimizerSettings,
    RunSettings,
    Settings,
    StepSettings,
    setting,
)

devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
measures = lazily("vqzoo.measures")
models = lazily("vqzoo.models")
quantizers = lazily("vqzoo.quantizers")
records = lazily("vqzoo.training.records")
report = lazily("vqzoo.training.report")

MAX_VALIDATION_IMAGES = 2048
SMOKE_IMAGES = 16
QUANTIZERS = registry.names("quantizers")


@functools.cache
def named_models():
    """Names of the functions of `vqzoo.models`, from the text: no import of Keras."""
    path = pathlib.Path(__file__).parents[2] / "models" / "__init__.py"
    lists = [
        ast.literal_eval(node.value)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    return tuple(name for name in lists[0] if name.islower())


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """The model."""

    model: str = setting(
        "vqvae2_64", "a named model of vqzoo.models", choices=named_models()
    )
    model_options: tuple[str, ...] = setting(
        (), "arguments of the model, name=value, for example beta=4"
    )
    image_size: int = setting(
        0, "side of the images in pixels; 0: the model's own", at_least=0
    )
    augmentation: tuple[str, ...] = setting(
        (), "any of flip, crop, color_jitter, for the training images"
    )
    kl_warmup_share: float = setting(
        0.3, "share of the steps in which the weight of the divergences grows"
    )

    def __post_init__(self):
        super().__post_init__()
        share = self.kl_warmup_share
        self.expect("kl_warmup_share", 0 <= share <= 1, "in [0, 1]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizerSettings(Settings):
    """The quantizer."""

    quantizer: str = setting(
        "ema", f"one of {', '.join(QUANTIZERS)}", choices=QUANTIZERS
    )
    quantizer_options: tuple[str, ...] = setting(
        (), "arguments of the quantizer, name=value, for example num_stages=8"
    )
    num_embeddings: int = setting(512, "K, number of codes of each tier", at_least=1)
    embedding_dim: int = setting(64, "D, length of a code", at_least=1)
    commitment_cost: float = setting(
        0.25, "beta, weight of the commitment loss", at_least=0
    )
    decay: float = setting(0.99, "gamma, decay of the codebook's moving average")
    codebook_init: str = setting(
        "data",
        "data, k_means or random_normal (may collapse)",
        choices=("data", "k_means", "random_normal"),
    )
    restart_threshold: float = setting(
        0.5, "codes below this share of the mean use are placed anew; 0: never"
    )
    sorted_codes: bool = setting(
        False, "keep the codes in their order along the codebook's main axis"
    )
    noise_stddev: tuple[float, ...] = setting(
        (0.0,), "sigma of the noisy assignment: one value, or one a tier, top first"
    )
    noise_boundary: str = setting(
        "reflect",
        "reflect, clip or wrap, at the index ends",
        choices=("reflect", "clip", "wrap"),
    )
    annealing_share: float = setting(
        0.75, "share of the steps in which the temperature of the codes falls"
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("decay", "restart_threshold"):
            self.expect(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        share, sigmas = self.annealing_share, self.noise_stddev
        self.expect("annealing_share", 0 < share <= 1, "in (0, 1]")
        self.expect("noise_stddev", sigmas and min(sigmas) >= 0, "0 or more")

    def smoke_numbers(self):
        """The settings that a smoke run has other values of: a dict."""
        return {
            **super().smoke_numbers(),
            "num_embeddings": min(self.num_embeddings, 32),
            "embedding_dim": min(self.embedding_dim, 8),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(
    RunSettings,
    DataSettings,
    StepSettings,
    OptimizerSettings,
    ModelSettings,
    QuantizerSettings,
):
    """The autoencoder.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def __post_init__(self):
        super().__post_init__()
        for name in ("model_options", "quantizer_options"):
            registry.parse_options(getattr(self, name))

    def run(self):
        """Trains what the recipe says and leaves a folder with all that came of it.

        Returns:
            `pathlib.Path` of the run's folder; None in a process that is not the one
            that writes, which is every worker but the first.

        Raises:
            RunError: if the run cannot go on, for a reason that its user can mend.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the data or the model.
        """
        with fitting.surroundings(self.strategy, self.precision, self.seed) as strategy:
            # It makes a quantizer, before which TensorFlow must know the other workers;
            # what the run draws must not depend on that.
            self.check_used()
            keras.utils.set_random_seed(self.seed)
            return self.shrunk()._run(strategy)

    def _run(self, strategy):
        size = self.image_size or getattr(models, self.model)().image_shape[0]
        splits = fitting.load_data(self, size, augmentation=self.augmentation)
        settings = fitting.settings(
            self.identity(),
            splits.image_shape,
            splits.class_names,
            splits.fingerprint,
            data=splits.summary,
        )
        steps = self.steps_per_epoch(splits.train, strategy)
        model = self._compiled(splits, steps * self.epochs, strategy)
        where = {"resume": self.resume, "writes": devices.is_chief()}
        with Run.open(self.runs_dir, self.name, settings, **where) as run:
            return self._train(model, splits, steps, run)

    def _train(self, model, splits, steps, run):
        held_out = self._arrays(splits.validation, MAX_VALIDATION_IMAGES)
        run.restore(model)
        fitting.say(
            f"{model.name}: {model.count_params():,} weights; {steps} steps an epoch"
        )
        # A worker that does not write has no folder to take earlier codebooks from.
        watchers = [records.Snapshots(run, steps * self.epochs)] if run.writes else []
        fitting.fit(
            model,
            lambda step: fitting.endless(
                splits.train, self.batch_size, self.seed, step
            ).map(lambda batch: (batch["image"], batch["image"])),
            run,
            epochs=self.epochs,
            steps=steps,
            measure=lambda model: measures.held_out_metrics(model, held_out)[0],
            show=lambda model, summary: report.show(model, summary, held_out),
            watchers=watchers,
            **self.operation(),
        )
        if not run.writes:
            return None
        data = f"the {splits.test.size:,} test images of {splits.name}"
        title = f"{self.name} on {data}"
        report.write(run, model, title, self._arrays(splits.test))
        return run.path

    def _compiled(self, splits, num_steps, strategy):
        with devices.scope(strategy):
            model = self.build_model(splits.image_shape, num_steps)
            model.compile(
                self.make_optimizer(num_steps),
                loss=model.training_loss(),
                metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
            )
        images = splits.train.arrays(limit=1)[0]
        devices.build(model, (images, images), strategy)
        return model

    def _arrays(self, split, limit=None):
        return split.arrays(limit=SMOKE_IMAGES if self.smoke else limit)[0]

    def check_used(self):
        """Raises ValueError if a setting was made that model and quantizer ignore.

        What a quantizer asks for while it is made is what it uses.
        """
        fields = dataclasses.fields(QuantizerSettings)
        changed = [f.name for f in fields if getattr(self, f.name) != f.default]
        if self.kl_warmup_share != ModelSettings.kl_warmup_share:
            users = ", ".join(_models_with("warmup_steps"))
            self.expect_unused(
                "kl_warmup_share", _takes(self.model, "warmup_steps"), "model", users
            )
        if not _takes(self.model, "quantizer"):
            users = ", ".join(_models_with("quantizer"))
            for name in changed:
                self.expect_unused(name, False, "model", users)
        # A layer that takes no noise is asked first: it would not name the flag.
        self._expect_read("noise_stddev", quantizers.uses(self.quantizer))
        read = self._asked_for()
        for name in changed:
            if name == "noise_boundary" and not max(self.noise_stddev):
                self.expect_unused(name, False, "noise_stddev", "values above 0")
            self._expect_read(name, read)

    def _expect_read(self, name, read):
        """Raises ValueError if a setting was made that is none of those read."""
        users = [q for q in QUANTIZERS if name in quantizers.uses(q)]
        self.expect_unused(name, name in read, "quantizer", ", ".join(users))

    def _asked_for(self):
        """Names of the settings that the quantizer of a tier is made with."""
        return quantizers.read_by(self)

    def build_model(self, image_shape, num_steps=None):
        """The model of the recipe, with new weights.

        Args:
            image_shape: `(height, width, channels)`.
            num_steps: int, training steps of the run, within which its schedules end;
                None for what is not trained.

        Raises:
            ValueError: if the number of noise levels is not one or one for each tier,
                or a schedule does not end within the run.
        """
        make = getattr(models, self.model)
        options = {"num_channels": 16} if self.smoke else {}
        options |= registry.parse_options(self.model_options)
        if num_steps and _takes(self.model, "warmup_steps"):
            steps = round(self.kl_warmup_share * num_steps)
            options = {"warmup_steps": steps, **options}
        if _takes(self.model, "quantizer"):
            # Of a model that trains its tiers in turn, each has a run of its own.
            steps = num_steps and options.get("tier_steps", num_steps)
            options["quantizer"] = lambda tier: quantizers.make(self, tier, steps)
        try:
            model = make(image_shape=tuple(image_shape), **options)
        except TypeError as error:
            raise ValueError(
                f"--model={self.model} cannot be made with "
                f"--model_options={','.join(self.model_options)}: {error}"
            ) from error
        levels, tiers = len(self.noise_stddev), len(model.tier_names)
        if levels not in (1, tiers):
            raise ValueError(
                f"expected --noise_stddev to have 1 value or {tiers}, one for each "
                f"tier of {self.model}, received {self.noise_stddev}"
            )
        if num_steps and not self.smoke:
            _check_schedules(model, num_steps)
        return model


def _check_schedules(model, num_steps):
    """Raises ValueError if a schedule would go on after the run."""
    tiers = len(model.tier_names) or 1
    for part in model._flatten_layers():
        for name, times in (
            ("annealing_steps", 1),
            ("warmup_steps", 1),
            ("tier_steps", tiers),
        ):
            needed = times * (getattr(part, name, None) or 0)
            if needed > num_steps:
                raise ValueError(
                    f"expected {name} of {part.name} to end within the {num_steps:,} "
                    f"steps of the run, received {needed:,}: more --epochs, or a "
                    "smaller value in --model_options or --quantizer_options"
                )


def _takes(name, argument):
    """Whether the function of a named model names an argument."""
    return argument in inspect.signature(getattr(models, name)).parameters


def _models_with(argument):
    """Names of the models that take an argument; it imports all of them."""
    return [name for name in named_models() if _takes(name, argument)]

"""The training of models that learn codes of items, on `compile` and `fit`."""

import dataclasses
import functools

from vqzoo import registry
from vqzoo.registry import lazily
from vqzoo.runs.folder import Run
from vqzoo.training.settings import (
    OptimizerSettings,
    RunSettings,
    Settings,
    StepSettings,
    setting,
)

devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
quantizers = lazily("vqzoo.quantizers")
records = lazily("vqzoo.training.records")

MAX_VALIDATION_ITEMS = 2048
SMOKE_ITEMS = 16
QUANTIZERS = registry.names("quantizers")


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
        0.5,
        "a code that is used less than this share of the mean use restarts "
        "at a latent; 0: never",
    )
    sorted_codes: bool = setting(
        False, "keep the codes sorted along the codebook's main axis"
    )
    noise_stddev: tuple[float, ...] = setting(
        (0.0,), "sigma of the noisy assignment: one value, or one per tier, top first"
    )
    noise_boundary: str = setting(
        "reflect",
        "what happens at the ends of the index range: reflect, clip or wrap",
        choices=("reflect", "clip", "wrap"),
    )
    annealing_share: float = setting(
        0.75, "share of the steps over which the temperature of the codes falls"
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
class CodingRecipe(RunSettings, StepSettings, OptimizerSettings, QuantizerSettings):
    """What the runs of all models share that reconstruct their input.

    Abstract: a subclass says what its items are: `load_data`, `build_model`, `measure`
    and `report`, and perhaps `prepare` and `show`; where its loss is another than the
    model's own, also `composer` and `model_of`: what is fitted is then not the model.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    # Whether the last epoch is the one to deliver, as of a game.
    is_game = False

    def __post_init__(self):
        super().__post_init__()
        registry.parse_options(self.quantizer_options)

    def load_data(self):
        """The data of the run: `datasets.Splits`."""
        raise NotImplementedError

    def build_model(self, item_shape, num_steps=None):
        """The model of the recipe, with new weights.

        Args:
            item_shape: tuple, the shape of an item.
            num_steps: int, training steps of the run, within which its schedules end;
                None for what is not trained.
        """
        raise NotImplementedError

    def prepare(self, model, splits):
        """What a new model takes from the data before its first step."""

    def composer(self, model, splits, num_steps):
        """The function from the run to what is fitted for the model; here the model."""
        return lambda run: model

    def model_of(self, fitted):
        """The model in what is fitted."""
        return fitted

    def measure(self, fitted, items):
        """Figures of held-out items `(N, *item_shape)`, with `loss`: a dict."""
        raise NotImplementedError

    def report(self, run, fitted, splits):
        """Measures the best model on the test split and finishes the run."""
        raise NotImplementedError

    def show(self, model, summary, items):
        """Writes events of held-out items with `tf.summary`."""

    def run(self):
        """Trains what the recipe says and leaves a folder with all that came of it.

        Returns:
            `pathlib.Path` of the run's folder; None in a process that is not the one
            that writes, which is every worker but the first.

        Raises:
            RunError: if the run cannot go on, for a reason that its user can fix.
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
        splits = self.load_data()
        settings = fitting.settings(
            self.identity(),
            splits.image_shape,
            splits.class_names,
            splits.fingerprint,
            data=splits.summary,
        )
        steps = self.steps_per_epoch(splits.train, strategy)
        num_steps = steps * self.epochs
        with devices.scope(strategy):
            model = self.build_model(splits.image_shape, num_steps)
        compose = self.composer(model, splits, num_steps)
        where = {"resume": self.resume, "writes": devices.is_chief()}
        with Run.open(self.runs_dir, self.name, settings, **where) as run:
            with devices.scope(strategy):
                fitted = compose(run)
                fitted.compile(
                    self.make_optimizer(num_steps),
                    loss=fitted.training_loss(),
                    metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
                )
            items = splits.train.arrays(limit=1)[0]
            devices.build(fitted, (items, items), strategy)
            return self._train(fitted, splits, steps, run, strategy)

    def _train(self, fitted, splits, steps, run, strategy):
        held_out = self._arrays(splits.validation, MAX_VALIDATION_ITEMS)
        model = self.model_of(fitted)
        run.restore(fitted)
        if run.restored_metrics is None:
            self.prepare(model, splits)
        fitting.say(
            f"{model.name}: {model.count_params():,} weights; steps per epoch: {steps}"
        )
        # A worker that does not write has no folder to take earlier codebooks from.
        watchers = [records.Snapshots(run, steps * self.epochs)] if run.writes else []

        def batches(step, part):
            stored = fitting.endless(
                splits.train, self.batch_size, self.seed, step, part
            )
            return stored.map(lambda batch: (batch[splits.item], batch[splits.item]))

        def show(_, summary):
            self.show(model, summary, held_out)

        fitting.fit(
            fitted,
            lambda step: devices.distributed(
                strategy, functools.partial(batches, step), self.batch_size
            ),
            run,
            epochs=self.epochs,
            steps=steps,
            measure=lambda _: self.measure(fitted, held_out),
            show=None if devices.is_multi_worker(strategy) else show,
            watchers=watchers,
            delivered=model,
            newest=self.is_game,
            **self.operation(),
        )
        devices.part(fitted, strategy)
        if not run.writes:
            return None
        model.load_weights(run.best_path)
        self.report(run, fitted, splits)
        return run.path

    def _arrays(self, split, limit=None):
        """Items of a split, `(N, *item_shape)`; a few where `smoke` is set."""
        return split.arrays(limit=SMOKE_ITEMS if self.smoke else limit)[0]

    def changed_quantizer_settings(self):
        """Names of the settings of the quantizer that are not the defaults."""
        fields = dataclasses.fields(QuantizerSettings)
        return [f.name for f in fields if getattr(self, f.name) != f.default]

    def check_used(self):
        """Raises ValueError if a setting was made that the quantizer ignores.

        What a quantizer asks for while it is made is what it uses.
        """
        # A layer that takes no noise is asked first: it would not name the flag.
        self._expect_read("noise_stddev", quantizers.uses(self.quantizer))
        read = self._asked_for()
        for name in self.changed_quantizer_settings():
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

    def check_noise(self, model):
        """Raises ValueError unless there is one level of noise or one for each tier."""
        levels, tiers = len(self.noise_stddev), len(model.tier_names)
        if levels not in (1, tiers):
            raise ValueError(
                f"expected --noise_stddev to have 1 value or {tiers}, one for each "
                f"tier of {model.name}, received {self.noise_stddev}"
            )

    def check_model(self, model, num_steps=None):
        """Raises ValueError where noise or schedules do not fit a new model.

        Args:
            model: as from `build_model`.
            num_steps: int, of the run, or None where there is none.
        """
        self.check_noise(model)
        if num_steps and not self.smoke:
            check_schedules(model, num_steps)


def check_schedules(model, num_steps):
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

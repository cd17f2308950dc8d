"""The training of autoencoders, on `compile` and `fit`."""

import dataclasses
import inspect

import keras
import numpy as np

from vqzoo import measures, models, quantizers, registry
from vqzoo.datasets.splits import spread
from vqzoo.quantizers.assignments import BOUNDARIES
from vqzoo.runs.folder import Run
from vqzoo.training import devices, fitting, records, report
from vqzoo.training.settings import Settings, setting

MAX_VALIDATION_IMAGES = 2048
SMOKE_IMAGES = 16

CHOICES = {
    "quantizer": registry.names("quantizers"),
    "noise_boundary": BOUNDARIES,
    "codebook_init": ("data", "k_means", "random_normal"),
}
AT_LEAST = {
    "num_embeddings": 1,
    "embedding_dim": 1,
    "commitment_cost": 0,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """Everything that decides the run of an autoencoder; each field is a flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    model: str = setting("vqvae2_64", "a named model of vqzoo.models")
    model_options: tuple[str, ...] = setting(
        (), "arguments of the model, name=value, for example beta=4"
    )
    quantizer: str = setting("ema", f"one of {', '.join(CHOICES['quantizer'])}")
    quantizer_options: tuple[str, ...] = setting(
        (), "arguments of the quantizer, name=value, for example num_stages=8"
    )
    image_size: int = setting(0, "side of the images in pixels; 0: the model's own")
    augmentation: tuple[str, ...] = setting(
        (), "any of flip, crop, color_jitter, for the training images"
    )
    num_embeddings: int = setting(512, "K, number of codes of each tier")
    embedding_dim: int = setting(64, "D, length of a code")
    commitment_cost: float = setting(0.25, "beta, weight of the commitment loss")
    decay: float = setting(0.99, "gamma, decay of the codebook's moving average")
    codebook_init: str = setting(
        "data", "data, k_means or random_normal (may collapse)"
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
    noise_boundary: str = setting("reflect", "reflect, clip or wrap, at the index ends")

    def __post_init__(self):
        super().__post_init__()
        self.expect_each(CHOICES, AT_LEAST)
        for name in ("decay", "restart_threshold"):
            self.expect(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        sigmas = self.noise_stddev
        self.expect("noise_stddev", sigmas and min(sigmas) >= 0, "0 or more")
        self.expect("model", self.model in _named_models(), f"one of {_named_models()}")
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
        recipe = self.shrunk()
        with fitting.surroundings(self.strategy, self.precision, self.seed) as strategy:
            return recipe._run(strategy)

    def _run(self, strategy):
        size = self.image_size or getattr(models, self.model)().image_shape[0]
        splits = fitting.load_data(self, size, augmentation=self.augmentation)
        steps = fitting.steps_per_epoch(
            splits.train, self.batch_size, self.max_steps_per_epoch, strategy
        )
        model = self._compiled(splits, steps * self.epochs, strategy)
        run = Run.open(
            self.runs_dir,
            self.name,
            fitting.settings(
                self.identity(),
                splits.image_shape,
                splits.class_names,
                splits.fingerprint,
            ),
            resume=self.resume,
            writes=devices.is_chief(),
        )
        run.restore(model)
        fitting.say(
            f"{model.name}: {model.count_params():,} weights; {steps} steps an epoch"
        )
        held_out = self._arrays(splits.validation, MAX_VALIDATION_IMAGES)
        snapshots = records.Snapshots(run, steps * self.epochs)
        fitting.fit(
            model,
            lambda step: _batches(splits.train, self.batch_size, self.seed, step),
            run,
            epochs=self.epochs,
            steps=steps,
            measure=lambda model: measures.held_out_metrics(model, held_out)[0],
            show=lambda model, summary: _show(model, summary, held_out),
            watchers=[snapshots] if run.writes else [],
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
            model = self.build_model(splits.image_shape)
            model.compile(
                fitting.optimizer(self, num_steps),
                loss=model.training_loss(),
                metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
            )
        images = splits.train.arrays(limit=1)[0]
        devices.build(model, (images, images), strategy)
        return model

    def _arrays(self, split, limit=None):
        return split.arrays(limit=SMOKE_IMAGES if self.smoke else limit)[0]

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(
            self,
            epochs=min(self.epochs, 2),
            max_steps_per_epoch=min(self.max_steps_per_epoch or 3, 3),
            batch_size=min(self.batch_size, 4),
            num_embeddings=min(self.num_embeddings, 32),
            embedding_dim=min(self.embedding_dim, 8),
            save_steps=2,
        )

    def build_model(self, image_shape):
        """The model of the recipe, with new weights, for images of `image_shape`.

        Raises:
            ValueError: if the number of noise levels is not one or one for each tier.
        """
        build = getattr(models, self.model)
        options = self._model_options()
        if "quantizer" in inspect.signature(build).parameters:
            options["quantizer"] = lambda tier: quantizers.make(self, tier)
        try:
            model = build(image_shape=tuple(image_shape), **options)
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
        return model

    def _model_options(self):
        smoke = {"num_channels": 16} if self.smoke else {}
        return {**smoke, **registry.parse_options(self.model_options)}


def _named_models():
    return tuple(name for name in models.__all__ if name.islower())


def _batches(split, batch_size, seed, step):
    """Images with themselves as targets, from a step of the run on, without end."""
    images = split.batches(
        batch_size, seed=seed, epochs=None, start_step=step, drop_remainder=True
    )
    return images.map(lambda batch: (batch["image"], batch["image"]))


def _show(model, summary, images):
    """Writes a few images beside their reconstructions, and what codes there are."""
    images = images[spread(len(images), 8)]
    codes = measures.encode_all(model.encode, images)
    rebuilt = measures.decode_all(model.decode, codes)
    pairs = np.clip(np.concatenate([images, rebuilt], axis=2) + 0.5, 0, 1)
    summary.image("reconstructions", pairs, max_outputs=8)
    for tier, tier_codes in zip(model.tier_names, codes):
        summary.histogram(f"{tier}_codes", tier_codes.ravel())

"""The groups of settings that recipes are composed of; each field is a flag."""

import dataclasses

from vqzoo.datasets import catalog
from vqzoo.registry import lazily

devices = lazily("vqzoo.training.devices")
keras = lazily("keras")
# What a resumed run may change: it says how the run goes, not what it computes.
OPERATIONAL = (
    "runs_dir",
    "resume",
    "save_steps",
    "tensorboard",
    "check_numerics",
    "max_bytes",
    "index_dir",
    "processes",
)
# Settings of Keras's optimizers that only some of them have here.
WITH_WEIGHT_DECAY = ("adamw", "lion")


def setting(default, text, *, choices=(), at_least=None):
    """A field of a recipe.

    Args:
        default: its default value.
        text: str, what its flag says in --help.
        choices: sequence of the values that there are, or empty.
        at_least: number that no value may be below, or None.
    """
    metadata = {"help": text, "choices": tuple(choices), "at_least": at_least}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides a run.

    Abstract: a recipe is composed of groups of settings, and is one of them, because
    its fields are its flags.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, known = getattr(self, field.name), field.metadata
            if known.get("choices"):
                text = f"one of {known['choices']}"
                self.expect(field.name, value in known["choices"], text)
            if known.get("at_least") is not None:
                least = known["at_least"]
                self.expect(field.name, value >= least, f"at least {least}")

    def expect(self, name, condition, text):
        """Raises ValueError with the flag and its value unless a condition holds."""
        if not condition:
            value = getattr(self, name)
            raise ValueError(f"expected --{name} to be {text}, received {value!r}")

    def expect_unused(self, name, used, by, users):
        """Raises ValueError if a setting is not its default though nothing uses it.

        Args:
            name: str, of the setting.
            used: bool. Whether something uses it.
            by: str, the flag that decides this.
            users: str, who would use it.
        """
        field = {f.name: f for f in dataclasses.fields(self)}[name]
        if not used and getattr(self, name) != field.default:
            raise ValueError(
                f"--{name} is not used by --{by}={getattr(self, by)}, received "
                f"{getattr(self, name)!r}; it is used by {users}"
            )

    def check_used(self):
        """Raises an error if a setting was made that the run would ignore."""

    def smoke_numbers(self):
        """The settings that a smoke run has other values of: a dict."""
        return {}

    def identity(self):
        """The settings that decide what the run computes: a JSON dict."""
        settings = dataclasses.asdict(self)
        return {k: v for k, v in settings.items() if k not in OPERATIONAL}

    def operation(self):
        """What `fitting.fit` takes of the settings that compute nothing."""
        names = ("save_steps", "tensorboard", "check_numerics")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """The run."""

    name: str = setting("run", "name of the recipe, and of the folder of its runs")
    seed: int = setting(
        0, "seed of the weights, the order of the data, and the noise", at_least=0
    )
    strategy: str = setting(
        "auto",
        "auto, none, mirrored or multi_worker; jax: all devices of all processes, with "
        "KERAS_BACKEND=jax",
        choices=("auto", "none", "mirrored", "multi_worker", "jax"),
    )
    precision: str = setting(
        "auto",
        "auto, float32 or mixed_bfloat16; auto: bfloat16 if the hardware supports it",
        choices=("auto", "float32", "mixed_bfloat16"),
    )
    runs_dir: str = setting("runs", "folder for the runs")
    resume: bool = setting(False, "continue the latest run that is not finished")
    save_steps: int = setting(
        200, "steps between two saves of the run's state", at_least=1
    )
    tensorboard: bool = setting(True, "write TensorBoard events")
    check_numerics: bool = setting(
        False, "stop at the first operation that gives NaN or infinity, and name it"
    )
    smoke: bool = setting(False, "shrink every number, to see that the whole run works")

    def __post_init__(self):
        super().__post_init__()
        self.expect("name", self.name and "/" not in self.name, "a folder's name")

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(self, **{"save_steps": 2, **self.smoke_numbers()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """The data."""

    dataset: str = setting(
        "photos",
        f"{', '.join(catalog.DATASETS)}, or a tensorflow-datasets name such as cifar10 "
        "or celeb_a",
    )
    data_dir: str = setting(
        "", "folder or archive of the data; not every data set needs one"
    )
    classes: tuple[str, ...] = setting(
        (), "names of the only classes to use; empty: all"
    )
    max_bytes: int = setting(*catalog.MAX_BYTES, at_least=1)

    resize: str = setting(*catalog.READING["resize"])
    frames: str = setting(*catalog.READING["frames"])
    value_range: tuple[float, ...] = setting(*catalog.READING["value_range"])
    layout: str = setting(*catalog.READING["layout"])
    class_level: int = setting(*catalog.READING["class_level"])
    labels: str = setting(*catalog.READING["labels"])
    validation_shards: str = setting(*catalog.READING["validation_shards"])
    test_shards: str = setting(*catalog.READING["test_shards"])
    image_column: str = setting(*catalog.READING["image_column"])
    key_column: str = setting(*catalog.READING["key_column"])
    label_column: str = setting(*catalog.READING["label_column"])
    shuffle_window: int = setting(*catalog.READING["shuffle_window"], at_least=1)
    index_dir: str = setting(*catalog.READING["index_dir"])

    def __post_init__(self):
        super().__post_init__()
        catalog.check_reading(self.dataset, catalog.reading_of(self))
        for name in ("data_dir", "classes"):
            used = catalog.takes(self.dataset, name)
            users = [data for data in catalog.DATASETS if catalog.takes(data, name)]
            self.expect_unused(name, used, "dataset", ", ".join(users))


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSettings(Settings):
    """Steps."""

    epochs: int = setting(10, "passes over the training data", at_least=1)
    max_steps_per_epoch: int = setting(
        0, "steps after which an epoch ends; 0: the whole data", at_least=0
    )
    batch_size: int = setting(32, "images per step, over all devices", at_least=1)

    def smoke_numbers(self):
        """The settings that a smoke run has other values of: a dict."""
        return {
            **super().smoke_numbers(),
            "epochs": min(self.epochs, 2),
            "max_steps_per_epoch": min(self.max_steps_per_epoch or 3, 3),
            "batch_size": min(self.batch_size, 4),
        }

    def steps_per_epoch(self, split, strategy):
        """Steps of an epoch.

        Args:
            split: `Split` of the training data.
            strategy: distribution strategy, or None.

        Raises:
            ValueError: unless there are images and devices for the batches.
        """
        self.expect(
            "batch_size",
            self.batch_size <= split.size,
            f"at most the {split.size} training images",
        )
        replicas = devices.num_replicas(strategy)
        divides = self.batch_size % replicas == 0
        self.expect("batch_size", divides, f"a multiple of {replicas}, the devices")
        steps = split.steps_per_epoch(
            self.batch_size, drop_remainder=True, parts=devices.num_workers(strategy)
        )
        return min(steps, self.max_steps_per_epoch or steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """The optimizer."""

    optimizer: str = setting(
        "adam", "adam, adamw or lion", choices=("adam", "adamw", "lion")
    )
    learning_rate: float = setting(3e-4, "learning rate of the optimizer")
    learning_rate_schedule: str = setting(
        "constant", "constant, or cosine to zero", choices=("constant", "cosine")
    )
    warmup_share: float = setting(
        0.0, "share of the run over which the learning rate rises from zero"
    )
    weight_decay: float = setting(
        0.0, "of kernels, a share of the learning rate; of adamw or lion", at_least=0
    )
    clip_norm: float = setting(
        0.0, "largest norm of the gradients of a network; 0: no limit", at_least=0
    )
    accumulation_steps: int = setting(
        1, "steps whose gradients make one update", at_least=1
    )
    average_decay: float = setting(
        0.0,
        "decay of a moving average of the weights, which is then measured "
        "and delivered; 0: no average",
    )

    def __post_init__(self):
        super().__post_init__()
        self.expect("learning_rate", self.learning_rate > 0, "above 0")
        for name in ("warmup_share", "average_decay"):
            self.expect(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        self.expect_unused(
            "weight_decay",
            self.optimizer in WITH_WEIGHT_DECAY,
            "optimizer",
            ", ".join(WITH_WEIGHT_DECAY),
        )

    def make_optimizer(self, num_steps):
        """The optimizer of a run of `num_steps` steps."""
        kinds = {
            "adam": keras.optimizers.Adam,
            "adamw": keras.optimizers.AdamW,
            "lion": keras.optimizers.Lion,
        }
        options = {}
        if self.optimizer in WITH_WEIGHT_DECAY:
            options["weight_decay"] = self.weight_decay
        if self.accumulation_steps > 1:
            options["gradient_accumulation_steps"] = self.accumulation_steps
        if self.average_decay:
            options |= {"use_ema": True, "ema_momentum": self.average_decay}
        optimizer = kinds[self.optimizer](
            self._rate(num_steps), global_clipnorm=self.clip_norm or None, **options
        )
        if self.weight_decay:
            # Decay would pull codes, offsets and scales to zero, which means nothing.
            names = ["bias", "codebook", "gamma", "beta"]
            optimizer.exclude_from_weight_decay(var_names=names)
        if self.average_decay:
            # Keras would overwrite the weights by their average at the end of `fit`. A
            # run that is gone on with calls `fit` twice, and would then differ.
            optimizer.finalize_variable_values = lambda variables: None
        return optimizer

    def _rate(self, num_steps):
        """A number, or a schedule that ends with the run; it counts single steps."""
        rate, schedules = self.learning_rate, keras.optimizers.schedules
        warmup = round(self.warmup_share * num_steps)
        if self.learning_rate_schedule == "cosine":
            if not warmup:
                return schedules.CosineDecay(rate, num_steps)
            return schedules.CosineDecay(
                0.0, num_steps - warmup, warmup_target=rate, warmup_steps=warmup
            )
        if warmup:
            return schedules.PolynomialDecay(0.0, warmup, rate)
        return rate

"""The settings of a training run."""

import dataclasses
import inspect

from vqzoo import models
from vqzoo.layers.noisy_assignment import BOUNDARIES
from vqzoo.training import quantizers

CHOICES = {
    "quantizer": tuple(quantizers.MAKERS),
    "noise_boundary": BOUNDARIES,
    "codebook_init": ("data", "k_means", "random_normal"),
    "learning_rate_schedule": ("constant", "cosine"),
    "strategy": ("auto", "none", "mirrored", "multi_worker"),
    "precision": ("auto", "float32", "mixed_bfloat16"),
}
AT_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "num_embeddings": 1,
    "embedding_dim": 1,
    "save_steps": 1,
    "seed": 0,
    "image_size": 0,
    "max_steps_per_epoch": 0,
    "commitment_cost": 0,
}
# What a resumed run may change: it says how the run goes, not what it computes.
OPERATIONAL = ("runs_dir", "resume", "save_steps", "tensorboard", "check_numerics")


def _setting(default, text):
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run; each field is a command-line flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    name: str = _setting("run", "name of the recipe and of its folder of runs")
    model: str = _setting("vqvae2_64", "a named model of vqzoo.models")
    model_options: tuple[str, ...] = _setting(
        (), "arguments of the model, name=value, for example beta=4"
    )
    quantizer: str = _setting("ema", f"one of {', '.join(quantizers.MAKERS)}")
    quantizer_options: tuple[str, ...] = _setting(
        (), "arguments of the quantizer, name=value, for example num_stages=8"
    )
    dataset: str = _setting(
        "photos",
        "photos (embedded), folder, ffhq, natural_image_net, or a tensorflow-datasets "
        "name such as cifar10 or celeb_a",
    )
    data_dir: str = _setting("", "folder or archive of the data, where it needs one")
    image_size: int = _setting(0, "side of the images in pixels; 0: the model's own")
    augmentation: tuple[str, ...] = _setting(
        (), "any of flip, crop, color_jitter, for the training images"
    )
    num_embeddings: int = _setting(512, "K, number of codes of each tier")
    embedding_dim: int = _setting(64, "D, length of a code")
    commitment_cost: float = _setting(0.25, "beta, weight of the commitment loss")
    decay: float = _setting(0.99, "gamma, decay of the codebook's moving average")
    codebook_init: str = _setting(
        "data", "data, k_means or random_normal (may collapse)"
    )
    restart_threshold: float = _setting(
        0.5, "codes below this share of the mean use are placed anew; 0: never"
    )
    sorted_codes: bool = _setting(
        False, "keep the codes in their order along the codebook's main axis"
    )
    noise_stddev: tuple[float, ...] = _setting(
        (0.0,), "sigma of the noisy assignment: one value, or one a tier, top first"
    )
    noise_boundary: str = _setting(
        "reflect", "reflect, clip or wrap, at the index ends"
    )
    epochs: int = _setting(10, "passes over the training data")
    max_steps_per_epoch: int = _setting(0, "cuts an epoch short; 0: the whole data")
    batch_size: int = _setting(32, "images of a step, over all devices")
    learning_rate: float = _setting(3e-4, "of Adam")
    learning_rate_schedule: str = _setting("constant", "constant, or cosine to zero")
    seed: int = _setting(0, "of the weights, the data's order and the noise")
    strategy: str = _setting("auto", "auto, none, mirrored or multi_worker")
    precision: str = _setting(
        "auto", "auto, float32 or mixed_bfloat16; auto: bfloat16 where hardware has it"
    )
    runs_dir: str = _setting("runs", "where the folders of the runs are made")
    resume: bool = _setting(False, "go on with the newest run that is not finished")
    save_steps: int = _setting(200, "steps between two saves of the run's state")
    tensorboard: bool = _setting(True, "write TensorBoard events")
    check_numerics: bool = _setting(
        False, "stop at the first operation that gives NaN or infinity, and name it"
    )
    smoke: bool = _setting(False, "shrink every number; to see that all of it runs")

    def __post_init__(self):
        for name, choices in CHOICES.items():
            self._expect(name, getattr(self, name) in choices, f"one of {choices}")
        for name, least in AT_LEAST.items():
            self._expect(name, getattr(self, name) >= least, f"at least {least}")
        for name in ("decay", "restart_threshold"):
            self._expect(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        self._expect("learning_rate", self.learning_rate > 0, "above 0")
        sigmas = self.noise_stddev
        self._expect("noise_stddev", sigmas and min(sigmas) >= 0, "0 or more")
        self._expect(
            "model", self.model in _named_models(), f"one of {_named_models()}"
        )
        for name in ("model_options", "quantizer_options"):
            quantizers.parse_options(getattr(self, name))
        self._expect("name", self.name and "/" not in self.name, "a folder's name")

    def _expect(self, name, condition, text):
        if not condition:
            value = getattr(self, name)
            raise ValueError(f"expected --{name} to be {text}, received {value!r}")

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

    def identity(self):
        """The settings that decide what the run computes: a JSON dict."""
        settings = dataclasses.asdict(self)
        return {k: v for k, v in settings.items() if k not in OPERATIONAL}

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
        return {**smoke, **quantizers.parse_options(self.model_options)}


def _named_models():
    return tuple(name for name in models.__all__ if name.islower())

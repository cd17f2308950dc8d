"""The training of autoencoders, on `compile` and `fit`."""

import ast
import dataclasses
import functools
import inspect
import math
import pathlib

from vqzoo import registry
from vqzoo.registry import lazily
from vqzoo.training.kinds.coding import CodingRecipe
from vqzoo.training.loss_settings import LossSettings
from vqzoo.training.settings import DataSettings, Settings, setting

fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
measures = lazily("vqzoo.measures")
models = lazily("vqzoo.models")
quantizers = lazily("vqzoo.quantizers")
report = lazily("vqzoo.training.report")

_START_BATCHES = 8  # of images, for a start of codes


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
        0.3, "share of the steps over which the weight of the divergences grows"
    )

    def __post_init__(self):
        super().__post_init__()
        share = self.kl_warmup_share
        self.expect("kl_warmup_share", 0 <= share <= 1, "in [0, 1]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(LossSettings, CodingRecipe, DataSettings, ModelSettings):
    """The autoencoder.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def __post_init__(self):
        super().__post_init__()
        registry.parse_options(self.model_options)

    def load_data(self):
        size = self.image_size or getattr(models, self.model)().image_shape[0]
        return fitting.load_data(self, size, augmentation=self.augmentation)

    def measure(self, fitted, items):
        parts = self.model_of(fitted), items, self.terms_of(fitted)
        metrics = measures.held_out_metrics(*parts)[0]
        # Before its last part learns, no epoch of a model is the best.
        return metrics if parts[0].is_whole else {**metrics, "loss": math.inf}

    def show(self, model, summary, items):
        report.show(model, summary, items)

    def report(self, run, fitted, splits):
        data = f"the {splits.test.size:,} test images of {splits.name}"
        title = f"{self.name} on {data}"
        model, terms = self.model_of(fitted), self.terms_of(fitted)
        report.write(run, model, title, self._arrays(splits.test), terms)

    def check_used(self):
        """Raises ValueError if a setting was made that model and quantizer ignore."""
        if self.kl_warmup_share != ModelSettings.kl_warmup_share:
            users = ", ".join(_models_with("warmup_steps"))
            self.expect_unused(
                "kl_warmup_share", _takes(self.model, "warmup_steps"), "model", users
            )
        in_turn = "tier_steps" in registry.parse_options(self.model_options)
        text = "own: tier_steps of --model_options trains tiers in turn"
        self.expect("loss", not (self.is_composed and in_turn), text)
        if not _takes(self.model, "quantizer"):
            users = ", ".join(_models_with("quantizer"))
            for name in self.changed_quantizer_settings():
                self.expect_unused(name, False, "model", users)
        super().check_used()

    def build_model(self, item_shape, num_steps=None):
        """The model of the recipe, with new weights.

        Args:
            item_shape: `(height, width, channels)`.
            num_steps: as in `CodingRecipe.build_model`.

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
            model = make(image_shape=tuple(item_shape), **options)
        except TypeError as error:
            raise ValueError(
                f"--model={self.model} cannot be made with "
                f"--model_options={','.join(self.model_options)}: {error}"
            ) from error
        self.check_model(model, num_steps)
        if num_steps:
            self.begin_at(model)
        return model

    def prepare(self, model, splits):
        """Places codes that no step places, on latents of some training images."""
        if self.start_from or not any(q.needs_sample for q in model.quantizers):
            return
        images = self._arrays(splits.train, _START_BATCHES * self.batch_size)
        batches = [
            images[i : i + self.batch_size]
            for i in range(0, len(images), self.batch_size)
        ]
        for tier, layer in enumerate(model.quantizers):
            if layer.needs_sample:
                # Those of a tier may depend on the codes of the tiers above.
                latents = [model.latents(batch)[tier] for batch in batches]
                layer.start_from(keras.ops.concatenate(latents), self.seed)


def _takes(name, argument):
    """Whether the function of a named model names an argument."""
    return argument in inspect.signature(getattr(models, name)).parameters


def _models_with(argument):
    """Names of the models that take an argument; it imports all of them."""
    return [name for name in named_models() if _takes(name, argument)]

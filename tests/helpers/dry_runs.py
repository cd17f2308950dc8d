"""Runs of recipes without data, models and steps: what they would build and fit."""

import contextlib
import dataclasses
import functools
import inspect
import pathlib
import types

import keras
import numpy as np

from vqzoo import datasets, measures, models, plots, registry, trained
from vqzoo.datasets import codes as stored_codes
from vqzoo.priors import pipeline
from vqzoo.runs import files, fingerprint
from vqzoo.runs.folder import Run
from vqzoo.studies import sweep_loop, sweep_table
from vqzoo.training import devices, fitting, gan_trainer, report
from vqzoo.training.kinds import gan

CLASSES = ("bird", "cat", "dog", "horse")
FIGURES = {"bits_per_code": 1.0, "codes": 4}
FIGURES |= {f"{kind}_bits_per_code": 2.0 for kind in ("unigram", "raw")}
GAN_FIGURES = {"loss": 0.0, "requantization": 0.5, "diversity": 0.5}


def nameless(config):
    """A configuration without the names that Keras counts up."""
    if isinstance(config, dict):
        return {k: nameless(v) for k, v in config.items() if k != "name"}
    return config


class Dry:
    """What is in the place of models, data and runs: it answers, and notes calls."""

    name = "dry"
    item = "image"
    weights = ()
    file = "dry.keras"
    image_shape = item_shape = (16, 16, 3)
    tier_names = ("top", "bottom")
    num_scales = 3
    scale = 0
    smoke_options = {}
    writes = True
    is_finished = False
    path = best_path = model_path = classifier_path = pathlib.Path("dry")
    num_embeddings = 8
    code_axes = ()
    is_hybrid = False

    def __init__(self, notes, **attributes):
        self.notes = notes
        self._flatten_layers = list
        self.header = {"step": 0}
        self.codebooks = lambda: {}
        vars(self).update(attributes)

    def __getattr__(self, name):
        """A method that notes nothing and gives something dry again."""
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Nothing: no run of it is locked."""

    def count_params(self):
        return 1

    def compile(self, *optimizers, **options):
        for optimizer in (*optimizers, options.get("optimizer")):
            if optimizer is not None:
                self.notes(type(optimizer), nameless(optimizer.get_config()))

    def begin_scale(self, scale, fade_steps):
        self.notes("scale", scale, fade_steps)

    def metrics(self):
        return {"test": {**FIGURES, **GAN_FIGURES}}

    def part(self, name):
        return self

    def pictures(self):
        return []

    def parts(self):
        return []

    def latents(self, images):
        return (images.mean(axis=(1, 2, 3), keepdims=True),) * len(self.tier_names)

    def encode(self, values):
        return values


@dataclasses.dataclass(frozen=True)
class Split:
    """Random images of all classes, and codes of them."""

    notes: object
    size: int = 2400

    def steps_per_epoch(self, batch_size, drop_remainder=False, parts=1):
        return self.size // batch_size

    def batches(self, batch_size, **options):
        self.notes("batches", batch_size, options)
        return Dry(self.notes)

    def arrays(self, limit=None):
        self.notes("arrays", limit)
        size = limit or self.size
        images = np.random.default_rng(0).random((size, 2, 2, 3), "float32")
        return images, np.arange(size) % len(CLASSES)


@dataclasses.dataclass(frozen=True)
class Splits:
    """Three of them."""

    train: Split
    validation: Split
    test: Split
    name: str = "dry"
    image_shape: tuple = Dry.image_shape
    class_names: tuple = CLASSES
    fingerprint: str = "dry"
    summary: dict = dataclasses.field(default_factory=dict)


class Kind:
    """A class of priors that makes none, and notes what it was to make."""

    def __init__(self, notes, name, real):
        self.notes, self.name, self.real = notes, name, real
        self.__signature__ = inspect.signature(real)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def __call__(self, *arguments, **options):
        self.notes(self.name, arguments, options)
        grids = [(2, 2)] * 3
        inner = types.SimpleNamespace(grids=grids)
        return Dry(self.notes, generator=inner, name=self.name)

    def from_config(self, config):
        return Dry(self.notes)


def notes_of(recipe, monkeypatch, run_dir="dry"):
    """All that the run of a recipe gives to data, models, optimizers and files.

    What is written as the settings of the run is no part of it, because all of them
    are.
    """
    noted = []

    def notes(*what):
        noted.append(repr(what))

    with monkeypatch.context() as patch:
        _replace(recipe, patch, notes)
        recipe.run()
    return noted


def _replace(recipe, patch, notes):
    def says(name, value=None):
        def function(*args, **kwargs):
            notes(name, args, kwargs)
            return value

        return function

    @contextlib.contextmanager
    def surroundings(*args):
        notes("surroundings", args)
        yield None

    dry = Dry(notes)
    patch.setattr(fitting, "surroundings", surroundings)
    patch.setattr(fitting, "settings", lambda *args, **kwargs: {})
    patch.setattr(fitting, "say", lambda text: None)
    patch.setattr(fitting, "fit", functools.partial(_fit, notes))
    patch.setattr(devices, "build", lambda *args: None)
    patch.setattr(keras.utils, "set_random_seed", says("seed"))
    patch.setattr(keras.saving, "load_model", lambda *args, **kwargs: dry)
    data = Splits(*[Split(notes)] * 3)
    patch.setattr(datasets, "load", says("data", data))
    patch.setattr(fingerprint, "fingerprint", lambda model: "dry")

    def open_run(runs_dir, name, settings, **options):
        notes("run", runs_dir, name, options)
        return dry

    patch.setattr(Run, "open", open_run)
    patch.setattr("vqzoo.training.kinds.blend.Run", lambda path: dry)
    patch.setattr(report, "write", lambda run, model, title, *args: notes(title))
    for name in ("image_grid", "learning_curves", "samples"):
        patch.setattr(plots, name, lambda *args: None)
    for name in ("unigram_bits", "diversity"):
        patch.setattr(measures, name, lambda *args: 1.0)
    patch.setattr(measures, "prior_figures", lambda *args: {"bits_per_code": 1.0})
    in_batches = measures.in_batches

    def undecoded(function, arrays, *more):
        """Codes as they are, a tuple, in the place of the images that they give."""
        if isinstance(arrays, tuple):
            return arrays[0]
        return in_batches(function, arrays, *more)

    patch.setattr(measures, "in_batches", undecoded)
    patch.setattr("vqzoo.training.kinds.blend.figures", lambda *args: {"white": 0.0})

    def made(model, priors, class_names, fingerprint):
        notes("pipeline", class_names, fingerprint)
        return Dry(notes, images=None, description={})

    patch.setattr(pipeline, "Pipeline", made)
    patch.setattr(gan_trainer, "GANTrainer", functools.partial(_trainer, notes))

    patch.setattr(gan.GANRecipe, "_figures", lambda *args: dict(GAN_FIGURES))
    _replace_losses(patch, notes, says)
    find = registry.find

    def find_dry(package, name):
        real = find(package, name)
        if package.startswith("losses"):
            return functools.partial(_loss, notes, name)
        return Kind(notes, name, real) if package.startswith("priors") else real

    patch.setattr(registry, "find", find_dry)
    named = getattr(recipe, "model", "")
    if named in models.__all__:
        _replace_model(recipe, patch, notes)
    values = int(getattr(recipe, "takes_values", False))
    kind = {"is_hybrid": values > 0, "num_values": values}
    kind["scales"] = types.SimpleNamespace(grids=((1, 1), (2, 2)))
    layers = [Dry(notes, codebooks=[np.zeros((8, 4))], **kind) for _ in Dry.tier_names]
    prior = find("priors", getattr(recipe, "prior", "pixelsnail"))
    model = Dry(notes, quantizers=layers, layouts=prior.layouts[:1] * len(layers))
    sampler = Dry(notes, model=model)
    sampler.sample = lambda count, seed: (
        notes("sample", count, seed) or types.SimpleNamespace(images=np.zeros(1))
    )

    def load(path, **options):
        notes("load", path)
        return Dry(notes, model=model, pipeline=sampler)

    patch.setattr(trained, "load", load)
    patch.setattr(trained, "model_file", lambda path: path)
    patch.setattr(stored_codes, "extract", functools.partial(_extract, notes))


def _replace_losses(patch, notes, says):
    def composed(model, terms, adversary):
        notes("composed", {name: weight for name, (weight, _) in terms.items()})
        return Dry(notes, autoencoder=model, terms=terms)

    dry = Dry(notes, network=Dry(notes))
    for place, made in (
        ("losses.composed.ComposedModel", composed),
        ("losses.adversarial.Adversary", says("adversary", dry)),
        ("losses.sources.load_classifier", says("classifier", dry)),
        ("measures.judge.fit_classifier", says("learner", dry)),
    ):
        patch.setattr(f"vqzoo.{place}", made)


def _loss(notes, name, sources, **options):
    """A term, which looks at what it is made from, or a discriminator."""
    of_classifier = name in ("classifier", "perceptual")
    notes(name, options, of_classifier and sources.classifier and "classifier")
    if name == "lpips":
        notes(sources.lpips)
    return name


def _replace_model(recipe, patch, notes):
    real = getattr(models, recipe.model)
    # As many tiers as there are values for them.
    tiers = tuple(f"tier {i}" for i in range(max(2, len(recipe.noise_stddev))))

    @functools.wraps(real)
    def build(quantizer=None, **options):
        notes(recipe.model, options)
        if quantizer is not None:
            layers = [quantizer(i) for i in range(len(tiers))]
            notes([(type(la), nameless(la.get_config())) for la in layers])
        return Dry(notes, tier_names=tiers)

    patch.setattr(models, recipe.model, build)


def _trainer(notes, generator, critic, average, **options):
    notes("trainer", options)
    return Dry(notes, generator=generator, critic=critic, average=average)


def _extract(notes, encode, splits, folder, **options):
    sizes = [getattr(splits, n).size for n in ("train", "validation", "test")]
    notes("codes", str(folder), splits.name, sizes)
    if splits.name == "blends":
        notes([values.tolist() for values in encode(np.arange(2))])
    split = Split(notes, sizes[0])
    grids = {
        "top": np.zeros((sizes[0], 2, 2), "int32"),
        "bottom": np.zeros((sizes[0], 4, 4), "int32"),
    }
    return Dry(
        notes,
        train=split,
        validation=split,
        test=split,
        class_names=splits.class_names,
        data="dry",
        model="dry",
        tier_shapes={"top": (2, 2), "bottom": (4, 4)},
        num_embeddings={"top": 8, "bottom": 8},
        num_values={},
        arrays=lambda name: grids,
        rows=lambda name, rows: {tier: grid[rows] for tier, grid in grids.items()},
    )


def _fit(notes, model, batches, run, *, watchers=(), **options):
    batches(0)
    plain = (bool, int, float, str)
    limits = [getattr(watcher, "limit", None) for watcher in watchers]
    notes({k: v for k, v in options.items() if isinstance(v, plain)}, limits)


def notes_of_sweep(sweep, folder, monkeypatch):
    """All that a sweep gives to runs, measures, tables and pictures."""
    noted = []

    def notes(*what):
        noted.append(repr(what))

    with monkeypatch.context() as patch:
        _replace_sweep(sweep, folder, patch, notes)
        sweep.run()
    table = (folder / sweep_table.TABLE).read_text()
    return [*noted, table]


def _replace_sweep(sweep, folder, patch, notes):
    rows = []
    dry = Dry(notes, path=folder, model_path="dry.keras", parts=lambda: [])

    def measure(subject, names, draws):
        notes("measure", names)
        numbers = [n.partition(".")[::2] for n in (*sweep.shown, sweep.axis)]
        return [
            types.SimpleNamespace(
                name=name,
                metrics={
                    k: len(rows) + 1.0 for section, k in numbers if section == name
                },
                skipped={},
            )
            for name in names
        ]

    def subject_of(model, splits, sizes, settings, *, factors, **records):
        of_factors = factors and (factors, settings.representation)
        notes("subject", sizes, settings.quick, of_factors, records["options"])
        return types.SimpleNamespace()

    def change(folder, changed):
        rows[:] = changed(list(rows))

    def run(path):
        return dry

    run.open = lambda runs_dir, name, settings: dry
    run.finished = lambda runs_dir, name: None
    for module, name, value in (
        (sweep_loop, "Run", run),
        (sweep_loop, "_change", change),
        (sweep_loop, "_alone", lambda *args: contextlib.nullcontext(True)),
        (sweep_loop, "finished", lambda recipe: notes(recipe) or folder),
        (files, "read_json", lambda path: list(rows)),
        (files, "write_json", lambda path, value: None),
        (trained, "load", lambda path: notes(path) or Dry(notes, model=dry)),
        (measures, "load_splits", lambda model, settings, **options: None),
        (measures, "subject_of", subject_of),
        (measures, "measure", measure),
        (fitting, "say", lambda text: None),
        (keras.backend, "clear_session", lambda: None),
        *((plots, n, _noting(notes, n)) for n in ("bars", "curves", "heat_map")),
    ):
        patch.setattr(module, name, value)


def _noting(notes, name):
    return lambda *args, **kwargs: notes(name, args, kwargs) or name

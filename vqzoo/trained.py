"""Trained models from disk: a run, an artifact, a `.keras` file, or priors of a model.

Importing Keras takes seconds, so errors that need no Keras come first: a wrong path, a
run that is not finished, a file whose bytes have changed.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
import typing
import warnings

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs.files import sections
from vqzoo.runs.folder import (
    MANIFEST,
    METRICS,
    MODEL,
    PIPELINE,
    SETTINGS,
    Run,
    prior_file,
)
from vqzoo.world import WORLD

contents = lazily("vqzoo.runs.model_file")
converting = lazily("vqzoo.convert.converting")
images = lazily("vqzoo.images")
keras = lazily("keras")
pipelines = lazily("vqzoo.priors.pipeline")
worlds = lazily("vqzoo.world.dream")

# The manifest has these of the recipe beside what the run says of itself.
RECIPE_IN_MANIFEST = (("name", "recipe"), ("dataset", "dataset"))
HUB = "hf://"
MODEL_WORDS = ("encode", "decode", "quantizers", "tier_names", "item_shape")
PRIOR_WORDS = ("grid_shape", "num_embeddings", "num_classes", "context", "sampler")


class TrainedError(ValueError):
    """Something that is not a trained model: what was expected, and what was found."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model with what is known of its training.

    Args:
        path: `pathlib.Path` that was loaded.
        model: `keras.Model` of vqzoo.models, not compiled.
        pipeline: `priors.pipeline.Pipeline` of the model and its priors, or None.
        settings: dict, recipe.json of the run; empty where there is none.
        metrics: `{section: {name: float}}` of the run; empty where there is none.
    """

    path: pathlib.Path
    model: typing.Any
    pipeline: typing.Any = None
    settings: dict
    metrics: dict

    @property
    def file(self):
        """The model's `.keras` file."""
        return model_file(self.path)

    def encode(self, items, **options):
        """The model's codes of items: `model.encode`."""
        return self.model.encode(items, **options)

    def decode(self, codes, **options):
        """The model's items of codes: `model.decode`."""
        return self.model.decode(codes, **options)

    @property
    def run(self):
        """The folder that the model's file is in, with its history where it has one."""
        return Run(self.file.parent)


def model_file(path):
    """The `.keras` file of the model at a path, which may be a folder."""
    path = pathlib.Path(path)
    return path / MODEL if path.is_dir() else path


def load(path, *, needs_codes=False, needs_priors=False, needs_images=False):
    """Loads a trained model, with its priors if it has any. No code of the files runs.

    Args:
        path: path of the folder of a finished run or of an artifact, of a folder with
            model.keras (and the priors and pipeline.json that `Pipeline.save` wrote),
            or of a model's `.keras` file; or `hf://owner/name[/subfolder][@revision]`,
            a public checkpoint that `vqzoo convert` takes.
        needs_codes: bool, whether a model whose latents are real numbers is refused.
        needs_priors: bool, whether a model without priors is refused.
        needs_images: bool, whether a model of other items than images is refused.

    Returns:
        `Trained`; of the folder of a world model the `World`, which has as much.

    Raises:
        TrainedError: if there is no such thing, a run is not finished, a file differs
            from the artifact's manifest, is none of the library's, or has weights that
            are not finite, or if the priors are not of this model.
    """
    if str(path).startswith(HUB):
        return _load_public(str(path), needs_priors)
    path = pathlib.Path(path)
    manifest, description, settings, metrics = {}, {}, {}, {}
    if path.is_dir():
        manifest, settings, metrics = _read_records(path, needs_priors)
        description = _read_description(path)
    else:
        _check_lone_file(path, needs_priors)
        with contextlib.suppress(TrainedError):  # Some other file of that name.
            manifest = read_json(path.parent / MANIFEST)
    file = model_file(path)
    files = [path / prior_file(tier) for tier in description.get("tiers", ())]
    for prior in files:
        expect_file(prior, "all files of a model and its priors")
    _check_sums(manifest, [file, *files])
    model = _load_model(file, needs_codes, needs_images)
    if (path / WORLD).is_file():
        return worlds.load(path, model, _load_keras)
    return Trained(
        path=path,
        model=model,
        pipeline=_load_pipeline(path, model, files, description) if files else None,
        settings=settings,
        metrics=sections(metrics) if metrics else {},
    )


def _load_public(name, needs_priors):
    """A model of the hub, converted; its path is the file of its weights."""
    if needs_priors:
        raise TrainedError(f"expected the folder of a run of a prior, received {name}")
    try:
        found = converting.convert(name)
    except ValueError as error:
        raise TrainedError(str(error)) from error
    return Trained(path=found.source.path, model=found.model, settings={}, metrics={})


def _check_lone_file(path, needs_priors):
    if path.is_file() and path.suffix == ".keras" and not needs_priors:
        return
    expected = "the folder of a run or of an artifact, or a .keras file"
    if needs_priors:
        expected = "the folder of a finished run of a prior"
    reason = "" if path.exists() else ", which is not there"
    raise TrainedError(f"expected {expected}, received {path}{reason}")


def _read_records(folder, needs_priors):
    """Manifest, settings and metrics of a folder; empty where it has none.

    Of a run's folder both its settings and its metrics are there, or it is not
    finished; what `Pipeline.save` wrote has neither.
    """
    if needs_priors:
        expect_file(folder / PIPELINE, "a finished run of a prior")
    if (folder / MANIFEST).is_file():
        expect_file(folder / MODEL, "an artifact")
        manifest = read_json(folder / MANIFEST)
        for name in ("training", "metrics", "files"):
            if not isinstance(manifest.setdefault(name, {}), dict):
                raise TrainedError(
                    f"expected {name} in {folder / MANIFEST} to be an object, "
                    f"received {_short(manifest[name])}"
                )
        training = dict(manifest["training"])
        recipe = {key: training.pop(old, None) for key, old in RECIPE_IN_MANIFEST}
        return manifest, {"recipe": recipe, **training}, manifest["metrics"]
    names = (SETTINGS, METRICS)
    is_run = any((folder / name).is_file() for name in names)
    for name in (MODEL, *(names if is_run else ())):
        expect_file(folder / name, "a finished run")
    settings, metrics = (read_json(folder / name) if is_run else {} for name in names)
    return {}, settings, metrics


def _read_description(folder):
    """What pipeline.json says, checked; empty where there is none."""
    path = folder / PIPELINE
    if not path.is_file():
        return {}
    description = read_json(path)
    for name, fits, expected in (
        # A name becomes that of a file in this folder, and must not lead out of it.
        ("tiers", _are_file_names, "a list of the names of the model's tiers"),
        ("class_names", _are_strings, "a list of strings, empty without classes"),
        ("model", _is_fingerprint, "a model's fingerprint, 64 hexadecimal digits"),
    ):
        value = description.get(name)
        if not fits(value):
            raise TrainedError(
                f"expected {name} in {path} to be {expected}, received {_short(value)}"
            )
    return description


def _are_strings(values):
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _are_file_names(values):
    if not _are_strings(values) or not values or "model" in values:
        return False
    named = all(re.fullmatch(r"\w[\w.-]*", value) for value in values)
    return named and len(set(values)) == len(values)


def _is_fingerprint(value):
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _check_sums(manifest, files):
    """Raises TrainedError if a file is not the one that the manifest has the sum of."""
    sums = manifest.get("files")
    if not isinstance(sums, dict):
        return
    for file in files:
        if file.name not in sums:
            warnings.warn(f"{MANIFEST} beside {file} has no sum of it", stacklevel=3)
        elif not is_summed(file, sums[file.name]):
            raise TrainedError(
                f"expected {file} as {MANIFEST} beside it has its sum, received "
                "other bytes: the file was damaged or replaced"
            )


def is_summed(file, known):
    """Whether a file has the checksum in the manifest."""
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return isinstance(known, dict) and known.get("sha256") == digest


def _load_model(file, needs_codes, needs_images):
    model = _load_keras(file, "model", MODEL_WORDS)
    if needs_images and model.item != "image":
        raise TrainedError(
            f"expected a model of images, received {type(model).__name__} in {file}, "
            f"which is of {model.item}s"
        )
    if needs_codes and not model.quantizers:
        raise TrainedError(
            f"expected a model with codes, received {type(model).__name__} in {file}, "
            "whose latents are real numbers: use the .keras file itself"
        )
    return model


def _load_pipeline(folder, model, files, description):
    tiers = description["tiers"]
    if list(model.tier_names) != tiers:
        raise TrainedError(
            f"expected tiers in {folder / PIPELINE} to be "
            f"{list(model.tier_names)}, those of {type(model).__name__} in "
            f"{folder / MODEL}, received {_short(tiers)}"
        )
    priors = [_load_keras(file, "prior", PRIOR_WORDS) for file in files]
    try:
        return pipelines.Pipeline(
            model, priors, description["class_names"], description["model"]
        )
    except ValueError as error:
        raise TrainedError(f"the priors in {folder} do not fit: {error}") from error


def _load_keras(file, kind, words):
    """A model or prior of a `.keras` file, with finite weights."""
    from vqzoo import models, priors  # noqa: F401  (registers the classes)

    try:
        with contents.filling(contents.check(file)):
            loaded = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        # Broken files fail in Keras, h5py, zipfile and json, each in its own ways.
        reason = " ".join(str(error).split())[:300]
        raise TrainedError(
            f"{file} does not load in safe mode, in which no code of the file runs: "
            f"{type(error).__name__}: {reason}"
        ) from error
    if missing := [word for word in words if not hasattr(loaded, word)]:
        raise TrainedError(
            f"expected a {kind} of vqzoo.{kind}s, received {type(loaded).__name__} in "
            f"{file}, which has no {', '.join(missing)}"
        )
    for weight in loaded.weights:
        values = np.asarray(images.to_numpy(weight.value), "float32")
        if not np.isfinite(values).all():
            raise TrainedError(
                f"expected finite weights, received {file}, where {weight.path} is not"
            )
    return loaded


def read_json(path):
    """The object that a JSON file holds."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainedError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise TrainedError(f"expected an object in {path}, received {_short(value)}")
    return value


def expect_file(path, kind):
    """Raises TrainedError if there is no such file."""
    if not path.is_file():
        raise TrainedError(
            f"expected {kind}, received {path.parent} without {path.name}"
        )


def _short(value, limit=80):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."

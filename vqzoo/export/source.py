"""What is exported: a trained model, and what its run says about it."""

import dataclasses
import json
import pathlib

import keras
import numpy as np

from vqzoo.export.files import MANIFEST, ExportError
from vqzoo.priors import pipeline  # noqa: F401  (models registers the classes)
from vqzoo.runs.folder import METRICS, MODEL, SETTINGS, sections

PROTOCOL = ("encode", "decode", "quantizers", "tier_names", "image_shape")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A trained model with the papers of its run.

    Args:
        model: `keras.Model` of vqzoo.models, not compiled.
        settings: dict, recipe.json of the run; empty for a lone `.keras` file.
        metrics: dict, metrics.json of the run; empty for a lone `.keras` file.
        drawn: `pipeline.Pipeline` of the model and its priors, or None.
    """

    model: keras.Model
    settings: dict
    metrics: dict
    drawn: pipeline.Pipeline | None = None


def read(run):
    """Reads a finished run's folder, an artifact, or a `.keras` file.

    Args:
        run: `pathlib.Path`.

    Returns:
        `Source`.

    Raises:
        ExportError: if there is no such run or it is not finished, or the model does
            not load in safe mode, is none of the library's, or has weights that are
            not finite.
    """
    if run.is_dir():
        settings, metrics = _read_papers(run)
        model = load(_expect_file(run, MODEL))
        return Source(
            model=model,
            settings=settings,
            metrics=metrics,
            drawn=_read_pipeline(run),
        )
    if run.suffix != ".keras" or not run.is_file():
        raise ExportError(f"expected a run's folder or a .keras file, received {run}")
    return Source(model=load(run), settings={}, metrics={})


def _read_papers(run):
    """Settings and metrics of a run; of an artifact, what its manifest keeps of them.

    So an artifact can be exported again, with what later versions add.
    """
    if not (run / MANIFEST).is_file():
        return _read_json(run, SETTINGS), sections(_read_json(run, METRICS))
    facts = _read_json(run, MANIFEST)
    training = dict(facts["training"])
    recipe = {"name": training.pop("recipe"), "dataset": training.pop("dataset")}
    return {"recipe": recipe, **training}, facts["metrics"]


def _read_pipeline(run):
    """The pipeline in the folder of a prior's run; None in that of another run."""
    if not (run / pipeline.PAPER).is_file():
        return None
    try:
        return pipeline.load(run)
    except (OSError, ValueError) as error:
        raise ExportError(f"the priors in {run} do not load: {error}") from error


def load(path, needs_codes=True):
    """Loads a `.keras` file; no code that the file brings along is run.

    Args:
        path: `pathlib.Path`.
        needs_codes: bool, whether a model whose latents are real numbers is refused.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        ExportError: as `read`.
    """
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ExportError(
            f"{path} does not load in safe mode, in which no code of the file runs: "
            f"{type(error).__name__}: {_first_lines(error)}"
        ) from error
    missing = [name for name in PROTOCOL if not hasattr(model, name)]
    if missing:
        raise ExportError(
            f"expected a model of vqzoo.models, received {type(model).__name__} in "
            f"{path}, which has no {', '.join(missing)}"
        )
    if needs_codes and not model.quantizers:
        raise ExportError(
            f"expected a model with codes, received {type(model).__name__} in {path}, "
            "whose latents are real numbers: serve the .keras file itself"
        )
    for weight in model.weights:
        if not np.isfinite(np.asarray(weight.value, "float32")).all():
            raise ExportError(
                f"expected finite weights, received {path}, where {weight.path} is not"
            )
    return model


def clone(model, precision="float32"):
    """The same model with the same weights, computing in one precision.

    Args:
        model: a model of vqzoo.models or vqzoo.priors, of any dtype policy.
        precision: `"float32"`, all of it; or `"bfloat16"`, in which the convolutions
            and their weights are bfloat16, while quantizers keep float32 codebooks and
            distances, as under every policy.

    Returns:
        A new model of the same class.
    """
    of_layers = "float32" if precision == "float32" else "mixed_bfloat16"
    config = {
        key: precision if key == "dtype" else _with_dtype(value, of_layers)
        for key, value in model.get_config().items()
    }
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = type(model).from_config(config)
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def _with_dtype(config, dtype):
    """A configuration in which every layer has a dtype policy."""
    if isinstance(config, dict):
        return {
            key: dtype if key == "dtype" else _with_dtype(value, dtype)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [_with_dtype(value, dtype) for value in config]
    return config


def _read_json(run, name):
    path = _expect_file(run, name)
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ExportError(f"{path} is no JSON: {error}") from error


def _expect_file(run: pathlib.Path, name):
    if not (run / name).is_file():
        raise ExportError(f"expected a finished run, received {run} without {name}")
    return run / name


def _first_lines(error, limit=300):
    return " ".join(str(error).split())[:limit]

"""The manifest of an artifact."""

import math
import platform
from importlib import metadata

import vqzoo
from vqzoo.datasets import catalog
from vqzoo.export import files, wire

_PIXELS = {"value_range": [0, 255], "value_range_of_model_keras": [-0.5, 0.5]}
PACKAGES = ("keras", "tensorflow", "numpy")


def describe(trained, name, version, saved, checked, terms=""):
    """The manifest of an artifact, without the checksums of its files.

    Args:
        trained: `trained.Trained`.
        name: str, of the artifact's folder.
        version: int, of the SavedModels.
        saved: `{precision: artifact.Saved}`, float32 among them.
        checked: dict of `verification.verify`.
        terms: str, what it may be used for; empty: what the data set's say.

    Returns:
        JSON dict.
    """
    model = trained.model
    return {
        "model": {
            "class": type(model).__name__,
            "name": model.name,
            "weights": model.count_params(),
            "trainable_weights": _count(model.trainable_weights),
        },
        wire.of(model).items: {
            "shape": list(model.item_shape),
            "dtype": wire.of(model).dtype,
            **(_PIXELS if wire.of(model).has_files else {}),
        },
        "tiers": _tiers(saved["float32"].model),
        "priors": _priors(trained.pipeline),
        "saved_model": {
            **_saved_model(saved["float32"], name, version, "float32"),
            "signatures": saved["float32"].signatures,
        },
        "variants": {
            precision: _saved_model(written, name, version, precision)
            for precision, written in saved.items()
            if precision != "float32"
        },
        "verification": checked,
        "training": _training(trained.settings, terms),
        "metrics": trained.metrics,
        "versions": _versions(),
    }


def _saved_model(saved, name, version, precision):
    return {
        "version": version,
        "folder": files.FOLDERS[precision],
        "served_name": files.served_name(name, precision),
        "dtype": precision,
        "weights": saved.weights,
        "bytes": files.folder_bytes(saved.path),
        "graph_bytes": (saved.path / "saved_model.pb").stat().st_size,
        "warmup_requests": saved.warmup_requests,
    }


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def _tiers(model):
    return [
        {
            "name": name,
            "grid": list(grid),
            "num_embeddings": layer.num_embeddings,
            "embedding_dim": layer.embedding_dim,
        }
        for name, grid, layer in zip(
            model.tier_names, wire.of(model).grids(model), model.quantizers
        )
    ]


def _priors(pipeline):
    """Facts of the priors by tier; empty without priors."""
    if pipeline is None:
        return {}
    return {
        "class_names": list(pipeline.class_names),
        "tiers": {
            tier: {"class": type(prior).__name__, "weights": prior.count_params()}
            for tier, prior in zip(pipeline.tiers, pipeline.priors)
        },
    }


def _training(settings, terms):
    recipe = settings.get("recipe", {})
    dataset = recipe.get("dataset")
    return {
        "recipe": recipe.get("name"),
        "dataset": dataset,
        # An artifact that is exported again keeps what was said of it.
        "terms": terms or settings.get("terms") or _known_terms(dataset),
        "data_fingerprint": settings.get("data_fingerprint"),
        "dtype_policy": settings.get("dtype_policy"),
        "versions": settings.get("versions", {}),
    }


def _known_terms(dataset):
    return catalog.terms(dataset) if dataset else ""


def _versions():
    installed = {name: metadata.version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "vqzoo": vqzoo.__version__,
        **installed,
    }

"""Data sets as reproducible tf.data pipelines; the names come without TensorFlow."""

import importlib

from vqzoo.datasets.catalog import (
    DATASETS,
    MAX_BYTES,
    READING,
    WITH_FACTORS,
    load,
    options_of,
    reading_of,
    takes,
    terms,
)

__all__ = [
    "DATASETS",
    "MAX_BYTES",
    "READING",
    "Split",
    "Splits",
    "WITH_FACTORS",
    "describe",
    "load",
    "options_of",
    "reading_of",
    "takes",
    "terms",
]


def __getattr__(name):
    # TensorFlow takes seconds; who asks for the names alone does not wait for it.
    if name in ("Split", "Splits"):
        return getattr(importlib.import_module("vqzoo.datasets.splits"), name)
    if name == "describe":
        return importlib.import_module("vqzoo.datasets.summary").describe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

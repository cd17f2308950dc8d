"""Data sets as reproducible tf.data pipelines; the names come without TensorFlow."""

import importlib

from vqzoo.datasets.catalog import DATASETS, WITH_FACTORS, load, takes

__all__ = ["DATASETS", "Split", "Splits", "WITH_FACTORS", "load", "takes"]


def __getattr__(name):
    # TensorFlow takes seconds; who asks for the names alone does not wait for it.
    if name in ("Split", "Splits"):
        return getattr(importlib.import_module("vqzoo.datasets.splits"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

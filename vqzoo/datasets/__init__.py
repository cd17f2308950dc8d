"""Data sets as reproducible tf.data pipelines; import this one only where needed."""

from vqzoo.datasets.catalog import load
from vqzoo.datasets.splits import Split, Splits

__all__ = ["Split", "Splits", "load"]

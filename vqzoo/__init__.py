"""vqzoo: a model zoo of vector-quantized autoencoders for Keras 3."""

from vqzoo import layers, metrics, models, priors
from vqzoo.version import __version__

__all__ = ["__version__", "layers", "metrics", "models", "priors"]

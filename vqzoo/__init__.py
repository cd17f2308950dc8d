"""vqzoo: a model zoo of vector-quantized autoencoders for Keras 3."""

import importlib
import os
import sys

from vqzoo.trained import load
from vqzoo.version import __version__

__all__ = [
    "__version__",
    "layers",
    "load",
    "metrics",
    "models",
    "priors",
    "to_images",
    "to_uint8",
]


def _is_command():
    """Whether this process is a command of vqzoo, and not somebody's program."""
    program = getattr(sys, "argv", [])[:1]
    if program == ["-m"]:  # So it is called while Python looks for the module.
        module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
        return module.partition(".")[0] == "vqzoo"
    return bool(program) and os.path.basename(program[0]) == "vqzoo"


def __getattr__(name):
    if name.startswith("to_") and name in __all__:
        return getattr(importlib.import_module("vqzoo.images"), name)
    if name in __all__:
        return importlib.import_module(f"vqzoo.{name}")
    raise AttributeError(f"module 'vqzoo' has no attribute {name!r}")


# After `import keras, vqzoo`, `keras.saving.load_model` must know every class, so that
# all of them are imported. A command answers --help and a wrong path in an instant
# instead, and imports what it needs when it works.
if _is_command():
    from vqzoo import frame

    frame.quiet()
else:
    from vqzoo import layers, metrics, models, priors

"""Training runs: a recipe of each kind, which runs itself, and its command line."""

import importlib

_HOMES = {
    "BlendRecipe": "kinds.blend",
    "GANRecipe": "kinds.gan",
    "PriorRecipe": "kinds.prior",
    "Recipe": "kinds.autoencoder",
    "main": "main",
}
__all__ = ["BlendRecipe", "GANRecipe", "PriorRecipe", "Recipe", "main"]


def __getattr__(name):
    # A recipe's --help lists its flags without waiting for what the run imports.
    if name in _HOMES:
        module = importlib.import_module(f"vqzoo.training.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

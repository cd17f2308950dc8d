"""The model whose codes priors learn, and few of its data."""

import dataclasses

from vqzoo import trained
from vqzoo.runs import files

SMOKE_IMAGES = 64


def load(path, takes_values):
    """The model at a path, with one code for each latent.

    Args:
        path: as in `trained.load`.
        takes_values: bool, whether it must have real numbers beside its codes; else it
            must not.

    Raises:
        RunError: if it is no such model, with the flag.
    """
    try:
        loaded = trained.load(path, needs_codes=True, needs_images=True)
    except trained.TrainedError as error:
        raise files.RunError(f"--model: {error}") from error
    model = loaded.model
    for tier, layer in zip(model.tier_names, model.quantizers):
        has_values = layer.is_hybrid and layer.num_values > 0
        if layer.code_axes or layer.is_hybrid != has_values:
            expected = "one code for each latent"
        elif has_values and not takes_values:
            expected = "codes alone, as hybrid latents take --prior=hybrid_transformer"
        elif takes_values and not has_values:
            expected = "hybrid latents for these priors"
        else:
            continue
        raise files.RunError(
            f"--model: expected {expected}, received the {tier} tier of {loaded.file} "
            f"with {type(layer).__name__}"
        )
    return model


def few(splits):
    """The first images of each split: other data, with a fingerprint of its own."""
    cut = {
        name: dataclasses.replace(split, size=min(split.size, SMOKE_IMAGES))
        for name in ("train", "validation", "test")
        for split in [getattr(splits, name)]
    }
    return dataclasses.replace(splits, **cut, fingerprint=f"few {splits.fingerprint}")

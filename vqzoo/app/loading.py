"""What a page explores: a model, and priors of it."""

import dataclasses
import pathlib

from vqzoo import trained
from vqzoo.registry import lazily
from vqzoo.world import WORLD

fingerprints = lazily("vqzoo.runs.fingerprint")


def load(model, prior):
    """A model with its priors, where they are.

    Args:
        model: str, a `.keras` file, the folder of an artifact or a run, or empty for
            the model of the prior.
        prior: str, the folder of a prior's run or of an exported pipeline, or empty.

    Returns:
        `trained.Trained`.

    Raises:
        ValueError: if neither is named.
        TrainedError: if one does not load, the model has no codes and is no world, or
            the priors are of another model.
    """
    if not model and not prior:
        raise ValueError("expected --model=FILE.keras or --model=FOLDER, received none")
    is_world = (pathlib.Path(model) / WORLD).is_file()
    needs = {"needs_codes": not is_world, "needs_images": True}
    loaded = trained.load(model or prior, **needs)
    if not prior:
        return loaded
    priors = trained.load(prior, needs_priors=True)
    if priors.pipeline.model_fingerprint != fingerprints.fingerprint(loaded.model):
        raise trained.TrainedError(
            f"expected priors of the model {loaded.file}, received --prior={prior}, "
            "whose priors learned the codes of another model"
        )
    return dataclasses.replace(priors, path=loaded.path)

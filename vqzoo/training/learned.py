"""The model whose codes priors learn, the codes, and few of its data."""

import dataclasses
import pathlib

from vqzoo import trained
from vqzoo.registry import lazily
from vqzoo.runs import files

fingerprints = lazily("vqzoo.runs.fingerprint")
fitting = lazily("vqzoo.training.fitting")
stored_codes = lazily("vqzoo.datasets.codes")
tqdm = lazily("tqdm")

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


def extract(model, encode, splits, codes_dir, runs_dir):
    """The codes that a function makes of a data set, made now or found.

    Args:
        model: the model that they are codes of.
        encode: function from a batch of the data to a tuple of codes, top first, and
            then of the numbers beside those of a hybrid model.
        splits: `Splits`.
        codes_dir: str, folder of the codes; empty: one in `runs_dir`.
        runs_dir: str.
    """
    known = fingerprints.fingerprint(model)
    names = known[:12], splits.fingerprint[:12].replace(" ", "_")
    layers = dict(zip(model.tier_names, model.quantizers))
    return stored_codes.extract(
        encode,
        splits,
        codes_dir or pathlib.Path(runs_dir, "codes", "-".join(names)),
        model=known,
        num_embeddings={tier: la.num_embeddings for tier, la in layers.items()},
        num_values={t: la.num_values for t, la in layers.items() if la.is_hybrid},
        progress=lambda batches, total: tqdm.tqdm(
            batches, total=total, desc="codes", unit=" batches"
        ),
    )


def encoded(model, codes_dir, runs_dir):
    """The codes that `vqzoo encode` wrote into `codes_dir`: `CodeSplits`.

    Raises:
        RunError: if they are of another model, damaged, or too few for three splits.
    """
    known, target = fingerprints.fingerprint(model), pathlib.Path(runs_dir, "codes")
    try:
        codes = stored_codes.load(codes_dir, model=known, target=target)
    except ValueError as error:
        raise files.RunError(f"--codes_dir: {error}") from error
    sizes = (f"{n} {getattr(codes, n).size:,}" for n in stored_codes.SPLITS)
    fitting.say(f"Codes of {codes_dir}: {', '.join(sizes)}")
    return codes


def few(splits):
    """The first images of each split: other data, with a fingerprint of its own."""
    cut = {
        name: dataclasses.replace(split, size=min(split.size, SMOKE_IMAGES))
        for name in ("train", "validation", "test")
        for split in [getattr(splits, name)]
    }
    return dataclasses.replace(splits, **cut, fingerprint=f"few {splits.fingerprint}")

"""A prior over blends of two sets of images: codes between them, then images."""

import hashlib
import pathlib

import numpy as np
import tensorflow as tf

from vqzoo import measures, plots, trained
from vqzoo.datasets import codes as stored_codes
from vqzoo.datasets.splits import Split, Splits
from vqzoo.measures import neighbors
from vqzoo.runs.fingerprint import fingerprint
from vqzoo.runs.folder import Run
from vqzoo.training import fitting, prior_loop

SHOWN = 64
PARTS = (0.8, 0.1)  # of the blends for training and validation


def run(recipe):
    """Blends parents, fits a prior to the blends' codes, draws and metrics images.

    Args:
        recipe: `BlendRecipe`.

    Returns:
        `pathlib.Path` of the run's folder, as that of the other priors; also
        parents.png, and figures of the samples beside those of the blends.

    Raises:
        RunError: if the run cannot go on, for a reason that its user can mend.
        Stopped: after SIGTERM or SIGINT, once the state is saved.
        ValueError: if a setting does not fit the data or the model.
    """
    recipe = recipe.shrunk()
    run = Run(prior_loop.run_tiers(recipe, prior_loop.train_tier, extract))
    drawn = trained.load(run.path).pipeline
    found = parents(recipe, _splits(recipe, drawn.model))
    samples = drawn.sample(recipe.num_samples, seed=recipe.seed).images
    blends = _blended_images(recipe, drawn.model, found)
    metrics = run.metrics()
    metrics["samples"] = figures(samples, *found)
    metrics["blends"] = figures(blends, *found)
    run.finish(metrics)
    for name, images, title in (
        ("parents", np.concatenate([each[: SHOWN // 2] for each in found]), "Parents"),
        ("blends", blends[:SHOWN], "Parents blended, decoded"),
        ("samples", samples[:SHOWN], "Samples of the prior over the blends"),
    ):
        run.save_picture(name, plots.image_grid(images, title))
    for name in ("blends", "samples"):
        print(f"{name}: " + ", ".join(f"{k} {v:.3f}" for k, v in metrics[name].items()))
    return run.path


def whiteness(images):
    """How white the middle of images is: the mean of the darkest channel there.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].

    Returns:
        Float `(N,)` in [0, 1]; 1 where the central half by half of the image is white.
    """
    height, width = images.shape[1:3]
    middle = images[
        :, height // 4 : height - height // 4, width // 4 : width - width // 4
    ]
    return np.mean(middle.min(axis=-1) + 0.5, axis=(1, 2))


def parents(recipe, splits):
    """The whitest training images of the two classes: two arrays `(N, H, W, C)`.

    Raises:
        ValueError: if the data has no such classes or too few images.
    """
    unknown = set(recipe.parents) - set(splits.class_names)
    if unknown:
        raise ValueError(
            f"expected --parents to be of {splits.class_names}, received "
            f"{', '.join(recipe.parents)}"
        )
    images, labels = splits.train.arrays()
    found = []
    for name in recipe.parents:
        of_class = images[labels == splits.class_names.index(name)]
        if len(of_class) < recipe.num_parents:
            raise ValueError(
                f"expected --num_parents of at most the {len(of_class)} images of "
                f"{name}, received {recipe.num_parents}"
            )
        order = np.argsort(-whiteness(of_class), kind="stable")
        found.append(of_class[order[: recipe.num_parents]])
    return found


def extract(recipe, model):
    """The codes of the blends: `datasets.codes.CodeSplits`."""
    splits = _splits(recipe, model)
    encode = _encoder(recipe, model, parents(recipe, splits))
    bounds = np.cumsum([0, *PARTS, 1 - sum(PARTS)]) * recipe.num_blends
    bounds = bounds.round().astype(int)
    settings = (recipe.parents, recipe.num_parents, recipe.num_blends)
    settings = f"{splits.fingerprint} {settings} {recipe.blend_range} {recipe.seed}"
    of_blends = hashlib.sha256(settings.encode()).hexdigest()
    numbers = Splits(
        **{
            name: Split(size=int(end - start), load=_numbers_from(start))
            for name, start, end in zip(
                ("train", "validation", "test"), bounds, bounds[1:]
            )
        },
        name="blends",
        image_shape=tuple(model.image_shape),
        class_names=(),
        fingerprint=of_blends,
    )
    of_model = fingerprint(model)
    folder = recipe.codes_dir or pathlib.Path(
        recipe.runs_dir, "codes", f"{of_model[:12]}-{of_blends[:12]}"
    )
    sizes = {t: q.num_embeddings for t, q in zip(model.tier_names, model.quantizers)}
    return stored_codes.extract(
        encode, numbers, folder, model=of_model, num_embeddings=sizes
    )


def figures(images, first, second):
    """How images stand to two sets of parents: a dict of floats.

    Args:
        images: float `(N, H, W, C)`.
        first: float `(M, H, W, C)`, parents.
        second: float `(M, H, W, C)`, parents.

    Returns:
        dict: `white`, the share as white as nine in ten parents; `nearest_first` and
        `nearest_second`, root mean square distance to the nearest parent of each set;
        `nearer_first`, the share whose nearest parent is of the first set; and
        `diversity`, the mean distance of pairs over that of pairs of parents.
    """
    both = np.concatenate([first, second])
    least = np.quantile(whiteness(both), 0.1)
    # A root mean square over the values of an image.
    scale = np.sqrt(images[0].size)
    nearest = [neighbors.nearest(images, each)[0] / scale for each in (first, second)]
    return {
        "white": float(np.mean(whiteness(images) >= least)),
        "nearest_first": float(nearest[0].mean()),
        "nearest_second": float(nearest[1].mean()),
        "nearer_first": float(np.mean(nearest[0] < nearest[1])),
        "diversity": measures.diversity(images) / measures.diversity(both),
    }


def _splits(recipe, model):
    return fitting.load_data(recipe, model.image_shape[0])


def _pairs(recipe):
    """Which parents are blended, and the share of the second."""
    generator = np.random.default_rng(recipe.seed)
    pairs = generator.integers(recipe.num_parents, size=(2, recipe.num_blends))
    return pairs, generator.uniform(*recipe.blend_range, recipe.num_blends)


def _encoder(recipe, model, found):
    """The function from numbers of blends to their codes, top first."""
    latents = [measures.in_batches(model.latents, each) for each in found]
    pairs, shares = _pairs(recipe)

    def encode(numbers):
        numbers = np.asarray(numbers)
        share = shares[numbers][:, None, None, None].astype("float32")
        return tuple(
            layer.encode(
                (1 - share) * first[pairs[0][numbers]]
                + share * second[pairs[1][numbers]]
            )
            for layer, first, second in zip(model.quantizers, *latents)
        )

    return encode


def _blended_images(recipe, model, found):
    """Images of the first blends."""
    encode = _encoder(recipe, model, found)
    numbers = np.arange(recipe.num_samples)
    codes = measures.in_batches(encode, numbers)
    return measures.decode_all(model.decode, codes)


def _numbers_from(start):
    def load(indices, seed):
        del seed
        return {"image": tf.cast(indices, tf.int64) + int(start)}

    return load

"""The training of priors: codes of a data set, then a prior of each tier."""

import dataclasses
import pathlib
import time

import keras
import numpy as np
from tqdm import tqdm

from vqzoo import measures, plots, trained
from vqzoo.datasets import codes as stored_codes
from vqzoo.datasets.splits import spread
from vqzoo.priors import conditions, pipeline
from vqzoo.runs import files
from vqzoo.runs.fingerprint import fingerprint
from vqzoo.runs.folder import Run
from vqzoo.training import devices, fitting, report

MAX_VALIDATION_GRIDS = 2048
SMOKE_GRIDS = 16
SMOKE_IMAGES = 64
SHOWN_SAMPLES = 64


def run(recipe):
    """Extracts codes, trains a prior for each tier and leaves a folder with all of it.

    The folder holds what a pipeline is loaded from.

    Args:
        recipe: `PriorRecipe`.

    Returns:
        `pathlib.Path` of the run's folder.

    Raises:
        RunError: if the run cannot go on, for a reason that its user can mend.
        Stopped: after SIGTERM or SIGINT, once the state is saved.
        ValueError: if a setting does not fit the data or the model.
    """
    return run_tiers(recipe.shrunk(), train_tier, extract)


def run_tiers(recipe, train, extract):
    """Extracts codes, trains the prior of each tier, and leaves a pipeline.

    Args:
        recipe: settings with a model and data, such as `PriorRecipe`.
        train: function from recipe, model, codes, tier, folder and strategy to the
            trained prior and a dict of its figures; it goes on where it was stopped.
        extract: function from recipe and model to `datasets.codes.CodeSplits`.

    Returns:
        `pathlib.Path` of the run's folder.
    """
    with fitting.surroundings(
        recipe.strategy, recipe.precision, recipe.seed
    ) as strategy:
        if devices.is_multi_worker(strategy):
            raise files.RunError(
                "priors train on the devices of one machine: unset TF_CONFIG"
            )
        model = _load_model(recipe)
        recipe.check_tiers(model.tier_names)
        codes = extract(recipe, model)
        settings = fitting.settings(
            recipe.identity(),
            model.image_shape,
            codes.class_names,
            codes.data,
            model_fingerprint=codes.model,
            tier_shapes={k: list(v) for k, v in codes.tier_shapes.items()},
            num_embeddings=dict(codes.num_embeddings),
        )
        run = Run.open(recipe.runs_dir, recipe.name, settings, resume=recipe.resume)
        trained = {
            tier: train(recipe, model, codes, tier, run.part(tier), strategy)
            for tier in model.tier_names
            if tier in (recipe.tiers or model.tier_names)
        }
        metrics = _metrics(model, trained, run)
        if len(trained) == len(model.tier_names):
            metrics |= _draw(recipe, model, codes, run, trained)
        run.finish({"test": metrics})
        report.say_what_next_of_prior(recipe.name, run, list(trained), metrics)
    return run.path


def _load_model(recipe):
    try:
        loaded = trained.load(recipe.model, needs_codes=True)
    except trained.TrainedError as error:
        raise files.RunError(f"--model: {error}") from error
    model = loaded.model
    for tier, layer in zip(model.tier_names, model.quantizers):
        if layer.code_axes or layer.is_hybrid:
            raise files.RunError(
                f"--model: expected one code for each latent, received the {tier} tier "
                f"of {loaded.file} with {type(layer).__name__}"
            )
    return model


def extract(recipe, model):
    """The codes of the recipe's data, extracted or opened: `datasets.codes.CodeSplits`.

    Raises:
        ValueError: if the images do not fit the model, or the folder holds others.
    """
    splits = fitting.load_data(recipe, model.image_shape[0])
    if tuple(splits.image_shape) != tuple(model.image_shape):
        raise ValueError(
            f"expected images of {tuple(model.image_shape)} for --model, received "
            f"{splits.image_shape} from --dataset={recipe.dataset}"
        )
    if recipe.smoke:
        splits = _few(splits)
    of_model = fingerprint(model)
    folder = recipe.codes_dir or pathlib.Path(
        recipe.runs_dir,
        "codes",
        f"{of_model[:12]}-{splits.fingerprint[:12].replace(' ', '_')}",
    )
    sizes = {
        tier: layer.num_embeddings
        for tier, layer in zip(model.tier_names, model.quantizers)
    }

    def progress(batches, total):
        return tqdm(batches, total=total, desc="codes", unit=" batches")

    return stored_codes.extract(
        model.encode,
        splits,
        folder,
        model=of_model,
        num_embeddings=sizes,
        progress=progress,
    )


def _few(splits):
    """The first images of each split: other data, with a fingerprint of its own."""
    cut = {
        name: dataclasses.replace(split, size=min(split.size, SMOKE_IMAGES))
        for name in ("train", "validation", "test")
        for split in [getattr(splits, name)]
    }
    return dataclasses.replace(splits, **cut, fingerprint=f"few {splits.fingerprint}")


def train_tier(recipe, model, codes, tier, run, strategy):
    """Trains the prior of a tier, or the rest of it, or nothing if it is done.

    Returns:
        `(prior, figures)`, the prior of the best epoch and a dict of floats.
    """
    del model
    keras.utils.set_random_seed(recipe.seed)
    if not run.is_finished:
        steps = fitting.steps_per_epoch(
            codes.train, recipe.batch_size, recipe.max_steps_per_epoch, strategy
        )
        prior = _build(recipe, codes, tier, steps, strategy)
        fitting.say(
            f"{prior.name}: {prior.count_params():,} weights; {steps} steps an epoch"
        )
        run.restore(prior)
        _fit(recipe, codes, tier, prior, steps, run)
    prior = keras.saving.load_model(run.best_path, compile=False)
    if not run.is_finished:
        run.finish({"test": _measure(recipe, prior, codes, tier)})
    return prior, run.metrics()["test"]


def sizes_of(recipe, codes, tier):
    """What the prior of a tier is made for, by the names of its arguments."""
    num_classes = len(codes.class_names) if recipe.class_conditional else 0
    return conditions.sizes(codes.tier_shapes, codes.num_embeddings, tier, num_classes)


def _build(recipe, codes, tier, steps, strategy):
    with devices.scope(strategy):
        prior = recipe.build_prior(tier, **sizes_of(recipe, codes, tier))
        prior.compile(
            fitting.optimizer(recipe, steps * recipe.epochs),
            loss=prior.training_loss(),
        )
    arrays = {k: v[:1].astype("int32") for k, v in codes.arrays("train").items()}
    pair = prior.training_pair(arrays, tiers_down_to(codes, tier))
    devices.build(prior, pair, strategy)
    return prior


def _fit(recipe, codes, tier, prior, steps, run):
    tiers = tiers_down_to(codes, tier)

    def batches(step):
        stored = codes.train.batches(
            recipe.batch_size,
            seed=recipe.seed,
            epochs=None,
            start_step=step,
            drop_remainder=True,
        )
        # The number of a step seeds what is random in it, so that a run that goes on
        # sees what it would have seen.
        return stored.enumerate(start=step).map(
            lambda number, batch: prior.training_pair(
                batch, tiers, (recipe.seed, number)
            )
        )

    limit = SMOKE_GRIDS if recipe.smoke else MAX_VALIDATION_GRIDS
    validation = held_out(codes, "validation", limit)

    def measure(prior):
        bits = _bits(prior, tiers, validation)
        return {"loss": bits * np.log(2), "bits_per_code": bits}

    fitting.fit(
        prior,
        batches,
        run,
        epochs=recipe.epochs,
        steps=steps,
        measure=measure,
        **recipe.operation(),
    )


def held_out(codes, split, limit=None):
    """Codes and labels of a split, all or so many from all over it: a dict of int32."""
    size = getattr(codes, split).size
    rows = spread(size, limit or size)
    arrays = codes.arrays(split)
    return {name: np.asarray(each[rows], "int32") for name, each in arrays.items()}


def tiers_down_to(codes, tier):
    """Names of the tiers above a tier, top first, and its own."""
    tiers = list(codes.tier_shapes)
    return tiers[: tiers.index(tier) + 1]


def _bits(prior, tiers, arrays):
    """Bits per code of the last of these tiers under its prior."""
    *above, codes = (arrays[name] for name in tiers)
    return measures.prior_bits(prior, codes, arrays.get("label"), above)


def _measure(recipe, prior, codes, tier):
    """Figures of a trained prior on the test split, and of the code frequencies."""
    test = held_out(codes, "test", SMOKE_GRIDS if recipe.smoke else None)
    train = codes.arrays("train")[tier]
    size = codes.num_embeddings[tier]
    return {
        "bits_per_code": _bits(prior, tiers_down_to(codes, tier), test),
        "unigram_bits_per_code": measures.unigram_bits(train, test[tier], size),
        "raw_bits_per_code": float(np.log2(size)),
        "codes": int(np.prod(codes.tier_shapes[tier])),
        "weights": prior.count_params(),
    }


def _metrics(model, found, run):
    """Figures of all tiers that were trained, and their learning curves."""
    metrics = {
        f"{tier}_{name}": value
        for tier, (_, figures) in found.items()
        for name, value in figures.items()
    }
    if all("bits_per_code" in figures for _, figures in found.values()):
        histories = {tier: run.part(tier).history() for tier in found}
        figure = plots.learning_curves(histories, "bits_per_code", "bits per code")
        run.save_picture("bits", figure)
        total = sum(f["bits_per_code"] * f["codes"] for _, f in found.values())
        if len(found) == len(model.tier_names):
            metrics["bits_per_image"] = total
            metrics["bits_per_pixel"] = total / np.prod(model.image_shape[:2])
    return metrics


def _draw(recipe, model, codes, run, found):
    """Writes the pipeline and a picture of its samples; gives how long one takes."""
    priors = [prior for prior, _ in found.values()]
    names = codes.class_names if recipe.class_conditional else ()
    drawn = pipeline.Pipeline(model, priors, names, codes.model)
    run.deliver(trained.model_file(recipe.model))
    for tier in found:
        run.deliver(run.part(tier).best_path, f"{tier}.keras")
    pipeline.write_description(run.path, model.tier_names, names, codes.model)
    count = 4 if recipe.smoke else SHOWN_SAMPLES
    drawn.sample(count, seed=0)  # compiles
    began = time.monotonic()
    samples = drawn.sample(count, seed=0)
    seconds = time.monotonic() - began
    figure = plots.image_grid(samples.images, f"Samples of {recipe.name}")
    run.save_picture("samples", figure)
    return {"seconds_per_sample": seconds / count}

"""What a run leaves at its end: model, numbers and pictures."""

import json
import platform
import shutil
from importlib import metadata

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import codebook
from vqzoo.runs import files
from vqzoo.training import callbacks, devices, snapshots

PACKAGES = ("vqzoo", "keras", "tensorflow", "jax", "numpy", "tensorflow-datasets")
SHOWN_IMAGES = 16
OVER_TRAINING = {
    "share of codes in use": "usage",
    "set perplexity": "perplexity",
    "neighbors over random pairs": "ordering",
}
BESIDE_RECIPE = ("dtype_policy", "data_fingerprint", "model_fingerprint")


def settings(recipe, splits, policy):
    """All that decides what a run computes: a JSON dict.

    Args:
        recipe: `Recipe`.
        splits: `Splits`, for the fingerprint of the data.
        policy: str, the dtype policy in force.
    """
    return {
        **_common_settings(recipe, policy),
        "image_shape": list(splits.image_shape),
        "class_names": list(splits.class_names),
        "data_fingerprint": splits.fingerprint,
    }


def prior_settings(recipe, model, codes, policy):
    """All that decides what the run of a prior computes: a JSON dict.

    Args:
        recipe: `PriorRecipe`.
        model: the model whose codes are learned.
        codes: `datasets.codes.CodeSplits`.
        policy: str, the dtype policy in force.
    """
    return {
        **_common_settings(recipe, policy),
        "image_shape": list(model.image_shape),
        "class_names": list(codes.class_names),
        "data_fingerprint": codes.data,
        "model_fingerprint": codes.model,
        "tier_shapes": {k: list(v) for k, v in codes.tier_shapes.items()},
        "num_embeddings": dict(codes.num_embeddings),
    }


def _common_settings(recipe, policy):
    return {
        "recipe": json.loads(json.dumps(recipe.identity())),
        "dtype_policy": policy,
        "device": devices.describe(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
    }


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_same_settings(run_dir, new, *, of_recipe_alone=False):
    """Compares a run's settings with those of the command that resumes it.

    Args:
        run_dir: `pathlib.Path` of the run.
        new: dict as in its recipe.json.
        of_recipe_alone: bool. Whether precision, data and model are left out.

    Raises:
        RunError: if a setting differs, with the names of the flags.
    """
    old = json.loads((run_dir / "recipe.json").read_text())
    changed = [
        f"--{name}: {value!r} in the run, {new['recipe'].get(name)!r} now"
        for name, value in old["recipe"].items()
        if new["recipe"].get(name) != value
    ]
    beside = () if of_recipe_alone else BESIDE_RECIPE
    changed += [
        f"{name}: {old[name]!r} in the run, {new[name]!r} now"
        for name in beside
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise files.RunError(
            f"--resume: {run_dir} has other settings: " + "; ".join(changed)
        )


def write(run_dir, model, recipe, splits, images):
    """Measures the best model on the test split and writes the files of the run.

    Args:
        run_dir: `pathlib.Path`.
        model: the trained model; takes the weights of the best epoch.
        recipe: `Recipe`.
        splits: `Splits`.
        images: float numpy test images `(N, H, W, C)`.
    """
    with files.replacing(run_dir / "model.keras") as aside:
        shutil.copyfile(run_dir / "best.keras", aside)
    model.load_weights(run_dir / "best.keras")
    metrics, codes, rebuilt = measures.held_out_metrics(model, images)
    figures = {
        **_figures(model, images, codes, rebuilt),
        **_figures_over_training(run_dir, model.tier_names),
    }
    for name, figure in figures.items():
        files.save_figure(figure, run_dir / f"{name}.png")
    files.write_json(run_dir / "metrics.json", {"test": metrics})
    pictures = ", ".join(f"{name}.png" for name in figures)
    _say_what_next(run_dir, model, recipe, splits, metrics, pictures)


def _figures(model, images, codes, rebuilt):
    shown = np.linspace(0, len(images) - 1, min(SHOWN_IMAGES, len(images))).astype(int)
    figures = {"reconstructions": plots.reconstructions(images[shown], rebuilt[shown])}
    if model.can_sample:
        samples = np.asarray(model.sample(SHOWN_IMAGES, seed=0))
        figures["samples"] = plots.image_grid(samples, "Samples from the prior")
    codebooks, usage, maps, sizes = {}, {}, {}, {}
    for name, book, size, indices in codebook.each_index(model, codes):
        codebooks[name], sizes[name] = book, size
        usage[name] = np.bincount(indices.ravel(), minlength=size)
        maps[name] = indices[shown]
    if codebooks:
        figures["codebook"] = plots.codebook_pca(codebooks, usage)
        figures["latents"] = plots.code_maps(images[shown], maps, sizes)
    return figures


def _figures_over_training(run_dir, tier_names):
    """Of the epochs, if there are several, and of the codebooks at a few steps."""
    figures = {}
    history = callbacks.read_history(run_dir)
    if len(history) > 1:
        figures["training"] = _curves(history, tier_names)
    kept = snapshots.read(run_dir)
    if kept:
        steps = next(iter(kept.values()))
        figures["codebooks_over_training"] = plots.codebooks_over_training(
            {tier: list(books.values()) for tier, books in kept.items()},
            [f"step {step:,}" for step in steps],
        )
    return figures


def _curves(history, tier_names):
    """Held-out figures over the epochs, a panel for each kind."""
    epochs = [row["epoch"] for row in history]
    groups = {
        label: {
            tier: (epochs, [row[f"val_{tier}_{key}"] for row in history])
            for tier in tier_names
            if f"val_{tier}_{key}" in history[0]
        }
        for label, key in OVER_TRAINING.items()
    }
    shown = {label: lines for label, lines in groups.items() if lines}
    psnr = {"all tiers": (epochs, [row["val_psnr"] for row in history])}
    return plots.panels({"PSNR (dB)": psnr, **shown}, "epoch")


def _say_what_next(run_dir, model, recipe, splits, metrics, pictures):
    error = metrics["mean_squared_error"]
    used = ", ".join(
        f"{tier} {metrics[f'{tier}_usage']:.0%} (perplexity "
        f"{metrics[f'{tier}_perplexity']:.0f} of {layer.num_embeddings})"
        for tier, layer in zip(model.tier_names, model.quantizers)
    )
    print(
        f"""
Done: {recipe.name} on the {splits.test.size:,} test images of {splits.name}
  PSNR {metrics["psnr"]:.2f} dB, mean squared error {error:.5f}
  codes in use: {used or "the model has none"}
  numbers   {run_dir / "metrics.json"}, {run_dir / callbacks.HISTORY}
  pictures  in {run_dir}: {pictures}
  model     {run_dir / "model.keras"}
What next:
  load it     import keras, vqzoo; keras.saving.load_model("{run_dir / "model.keras"}")
  serve it    python -m vqzoo.export {run_dir} export/my_model
  watch it    tensorboard --logdir {run_dir / "events"}""",
        flush=True,
    )


def say_what_next_of_prior(recipe, run_dir, tier_names, metrics):
    """Prints what the run of a prior found, and what to do with it."""
    lines = [_line_of_tier(tier, metrics) for tier in tier_names]
    if "bits_per_pixel" in metrics:
        lines.append(f"images       {metrics['bits_per_pixel']:.4f} bits a pixel")
    if "seconds_per_sample" in metrics:
        lines.append(f"sampling     {metrics['seconds_per_sample']:.4f} s an image")
    found = "\n  ".join(lines)
    print(
        f"""
Done: {recipe.name}, on the test split
  {found}
  pictures     in {run_dir}: {", ".join(sorted(p.name for p in run_dir.glob("*.png")))}
  numbers      {run_dir / "metrics.json"}""",
        flush=True,
    )
    if "seconds_per_sample" in metrics:
        command = f"python -m vqzoo.sample --prior={run_dir} --n=64 --out=samples.png"
        print(f"What next:\n  draw images  {command}", flush=True)


def _line_of_tier(tier, metrics):
    """What a run found of the prior of a tier, in a line."""
    name = f"{tier + ' codes':<13}"
    if f"{tier}_bits_per_code" not in metrics:
        return (
            f"{name}re-quantization error {metrics[f'{tier}_requantization']:.3f}, "
            f"diversity {metrics[f'{tier}_diversity']:.2f} of the data's"
        )
    return (
        f"{name}{metrics[f'{tier}_bits_per_code']:.3f} bits each (their frequencies "
        f"alone {metrics[f'{tier}_unigram_bits_per_code']:.3f}, no prior "
        f"{metrics[f'{tier}_raw_bits_per_code']:.0f})"
    )

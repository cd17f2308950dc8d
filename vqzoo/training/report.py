"""What a run leaves at its end: model, numbers and pictures."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import codebook
from vqzoo.runs.folder import HISTORY, METRICS, MODEL

SHOWN_IMAGES = 16
OVER_TRAINING = {
    "share of codes in use": "usage",
    "perplexity": "perplexity",
    "ordering (neighbors over random pairs)": "ordering",
}


def write(run, model, title, images, terms=None):
    """Measures the best model on the test split and writes the files of the run.

    Args:
        run: `Run`.
        model: the trained model with the weights of the best epoch.
        title: str, what was trained on what.
        images: float numpy test images `(N, H, W, C)`.
        terms: as in `measures.held_out_metrics`.
    """
    history, codebooks = run.history(), run.codebooks()
    metrics, codes, rebuilt = measures.held_out_metrics(model, images, terms)
    pictures = {
        **_pictures(model, images, codes, rebuilt),
        **_over_training(history, codebooks, model.tier_names),
    }
    last_words = _last_words(run, model, title, metrics, pictures)
    run.finish({"test": metrics}, models={MODEL: run.best_path}, pictures=pictures)
    print(last_words, flush=True)


def show(model, summary, images):
    """Writes a few images with their reconstructions and their codes.

    Args:
        model: a model of vqzoo.models.
        summary: `tf.summary`, with a writer.
        images: float numpy `(N, H, W, C)`.
    """
    images = images[_spread(images, 8)]
    codes = measures.in_batches(model.encode, images)
    rebuilt = measures.in_batches(model.decode, codes)
    pairs = np.clip(np.concatenate([images, rebuilt], axis=2) + 0.5, 0, 1)
    summary.image("reconstructions", plots.visible(pairs), max_outputs=8)
    for tier, tier_codes in zip(model.tier_names, codes):
        summary.histogram(f"{tier}_codes", tier_codes.ravel())


def _spread(images, count):
    """Numbers of images from all over them: the first ones may be of one class."""
    return np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)


def _pictures(model, images, codes, rebuilt):
    shown = _spread(images, SHOWN_IMAGES)
    figures = {"reconstructions": plots.reconstructions(images[shown], rebuilt[shown])}
    if model.can_sample:
        samples = np.asarray(model.sample(SHOWN_IMAGES, seed=0))
        figures["samples"] = plots.image_grid(samples, "Samples from the prior")
    codebooks, usage, maps = {}, {}, []
    for name, vectors, size, indices in codebook.code_maps(model, codes):
        codebooks[name] = vectors
        usage[name] = np.bincount(indices.ravel(), minlength=size)
        maps.append((name, size, indices[shown]))
    if codebooks:
        figures["codebook"] = plots.codebook_pca(codebooks, usage)
        rows = codebook.gray_maps(images[shown[: SHOWN_IMAGES // 2]], maps)
        figures["latents"] = plots.strips(rows, width=14)
    return figures


def _over_training(history, codebooks, tier_names):
    """Of the epochs, if there are several, and of the codebooks at a few steps."""
    figures = {}
    if len(history) > 1:
        figures["training"] = _curves(history, tier_names)
    if codebooks:
        steps = next(iter(codebooks.values()))
        figures["codebooks_over_training"] = plots.codebooks_over_training(
            {tier: list(kept.values()) for tier, kept in codebooks.items()},
            [f"step {step:,}" for step in steps],
        )
    return figures


def _curves(history, tier_names):
    """Held-out figures over the epochs, a panel for each kind."""
    epochs = [row["epoch"] for row in history]
    panels = {"PSNR (dB)": {"all tiers": (epochs, [r["val_psnr"] for r in history])}}
    for label, key in OVER_TRAINING.items():
        names = {tier: f"val_{tier}_{key}" for tier in tier_names}
        panels[label] = {
            tier: (epochs, [row[name] for row in history])
            for tier, name in names.items()
            if name in history[0]
        }
    return plots.panels({k: v for k, v in panels.items() if v}, "epoch")


def _last_words(run, model, title, metrics, pictures):
    """What a run says at its end: what came of it, and what can be done with it."""
    used = ", ".join(
        f"{tier} {metrics[f'{tier}_usage']:.0%} (perplexity "
        f"{metrics[f'{tier}_perplexity']:.0f} of {layer.num_embeddings})"
        for tier, layer in zip(model.tier_names, model.quantizers)
    )
    return f"""
Done: {title}
  PSNR {metrics["psnr"]:.2f} dB, mean squared error {metrics["mean_squared_error"]:.5f}
  codes in use: {used or "the model has none"}
  numbers   {run.path / METRICS}, {run.path / HISTORY}
  pictures  in {run.path}: {", ".join(f"{name}.png" for name in pictures)}
  model     {run.model_path}
What next:
  load it     import keras, vqzoo; keras.saving.load_model("{run.model_path}")
  serve it    vqzoo export {run.path} export/my_model
  watch it    tensorboard --logdir {run.events_path}"""


def say_what_came(name, run, tier_names, metrics):
    """Prints what the run of a prior found, and what to do with it."""
    lines = [_line_of_tier(tier, metrics) for tier in tier_names]
    if "bits_per_pixel" in metrics:
        lines.append(f"images       {metrics['bits_per_pixel']:.4f} bits per pixel")
    if "seconds_per_sample" in metrics:
        lines.append(f"sampling     {metrics['seconds_per_sample']:.4f} s per image")
    text = "\n  ".join(lines)
    print(
        f"""
Done: {name}, on the test split
  {text}
  pictures     in {run.path}: {", ".join(path.name for path in run.pictures())}
  numbers      {run.path / METRICS}""",
        flush=True,
    )
    if "seconds_per_sample" in metrics:
        command = f"vqzoo sample --prior={run.path} --n=64 --out=samples.png"
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

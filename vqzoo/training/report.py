"""What a run leaves at its end: model, numbers and pictures."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import codebook
from vqzoo.runs.folder import HISTORY, METRICS

SHOWN_IMAGES = 16
OVER_TRAINING = {
    "share of codes in use": "usage",
    "set perplexity": "perplexity",
    "neighbors over random pairs": "ordering",
}


def write(run, model, title, images):
    """Measures the best model on the test split and writes the files of the run.

    Args:
        run: `Run`.
        model: the trained model; takes the weights of the best epoch.
        title: str, what was trained on what.
        images: float numpy test images `(N, H, W, C)`.
    """
    run.deliver(run.best_path)
    model.load_weights(run.best_path)
    metrics, codes, rebuilt = measures.held_out_metrics(model, images)
    figures = {
        **_figures(model, images, codes, rebuilt),
        **_figures_over_training(run, model.tier_names),
    }
    for name, figure in figures.items():
        run.save_picture(name, figure)
    run.finish({"test": metrics})
    _say_what_next(run, model, title, metrics, figures)


def _figures(model, images, codes, rebuilt):
    shown = np.linspace(0, len(images) - 1, min(SHOWN_IMAGES, len(images))).astype(int)
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


def _figures_over_training(run, tier_names):
    """Of the epochs, if there are several, and of the codebooks at a few steps."""
    figures = {}
    history = run.history()
    if len(history) > 1:
        figures["training"] = _curves(history, tier_names)
    kept = run.codebooks()
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


def _say_what_next(run, model, title, metrics, pictures):
    used = ", ".join(
        f"{tier} {metrics[f'{tier}_usage']:.0%} (perplexity "
        f"{metrics[f'{tier}_perplexity']:.0f} of {layer.num_embeddings})"
        for tier, layer in zip(model.tier_names, model.quantizers)
    )
    print(
        f"""
Done: {title}
  PSNR {metrics["psnr"]:.2f} dB, mean squared error {metrics["mean_squared_error"]:.5f}
  codes in use: {used or "the model has none"}
  numbers   {run.path / METRICS}, {run.path / HISTORY}
  pictures  in {run.path}: {", ".join(f"{name}.png" for name in pictures)}
  model     {run.model_path}
What next:
  load it     import keras, vqzoo; keras.saving.load_model("{run.model_path}")
  serve it    vqzoo export {run.path} export/my_model
  watch it    tensorboard --logdir {run.events_path}""",
        flush=True,
    )

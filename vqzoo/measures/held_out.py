"""What a run says of itself after each epoch and at its end: the numbers of training.

The names are those of the sections of a report; history.csv puts `val_` before them.
"""

import numpy as np

from vqzoo.datasets.splits import spread
from vqzoo.measures.codebook import codebook_metrics
from vqzoo.measures.inference import in_batches
from vqzoo.measures.reconstruction import reconstruction_error

FEW = 256  # images of the loss terms


def held_out_metrics(model, images):
    """Losses, errors and use of the codebooks of a model on held-out images.

    Args:
        model: a model of vqzoo.models.
        images: float numpy `(N, H, W, C)` in [-0.5, 0.5].

    Returns:
        `(metrics, codes, reconstructions)`: a flat dict of floats, a tuple of codes
        (of latents, where the model has no quantizer) and the images that come back.
    """
    codes = in_batches(model.encode, images)
    # Not compiled: a graph would be traced again in each epoch, for a few batches.
    rebuilt = in_batches(model.reconstruct, images, codes)
    few = images[spread(len(images), FEW)]
    metrics = {"loss": _loss(model, images, rebuilt, few)}
    metrics |= reconstruction_error(images, rebuilt)
    latents = model.latents(few) if model.quantizers else ()
    tiers = zip(model.tier_names, model.quantizers, codes, latents)
    for tier, layer, tier_codes, tier_latents in tiers:
        terms = layer.loss_terms(tier_latents)
        numbers = codebook_metrics(layer, tier_codes) | terms
        metrics |= {f"{tier}_{name}": float(value) for name, value in numbers.items()}
    return metrics, codes, rebuilt


def _loss(model, images, rebuilt, few):
    """What training minimizes: the error of all images, the other terms of a few."""
    errors = in_batches(model.reconstruction_loss, images, rebuilt)
    model(few)
    return float(errors.mean(dtype=np.float64)) + sum(
        float(loss) for loss in model.losses
    )

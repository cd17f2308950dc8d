"""What a run says of itself after each epoch and at its end: the numbers of training.

The names are those of the sections of a report; history.csv puts `val_` before them.
"""

import numpy as np

from vqzoo.datasets.splits import spread
from vqzoo.measures.codebook import codebook_metrics
from vqzoo.measures.expansion import sizes
from vqzoo.measures.inference import in_batches
from vqzoo.measures.reconstruction import reconstruction_error

FEW = 256  # images of the loss terms


def held_out_metrics(model, images, terms=None, error=reconstruction_error):
    """Losses, errors and use of the codebooks of a model on held-out items.

    Args:
        model: a model of vqzoo.models.
        images: float numpy `(N, H, W, C)` in [-0.5, 0.5], or other items.
        terms: what its loss compares images by, where that is not its own loss: dict
            from a name to `(weight, function)` of images and outputs, `(B,)`. They are
            among the metrics, of a few images.
        error: function from items and those that come back to a dict of floats.

    Returns:
        `(metrics, codes, reconstructions)`: a flat dict of floats, a tuple of codes
        (of latents, where the model has no quantizer) and the items that come back.
    """
    codes = in_batches(model.encode, images)
    # Not compiled: a graph would be traced again in each epoch, for a few batches.
    rebuilt = in_batches(model.reconstruct, images, codes)
    few = images[spread(len(images), FEW)]
    if terms is None:
        errors = {"own": (1.0, in_batches(model.reconstruction_loss, images, rebuilt))}
    else:
        pairs = few, rebuilt[spread(len(images), FEW)]
        errors = {n: (w, in_batches(f, *pairs)) for n, (w, f) in terms.items()}
    errors = {name: (w, e.mean(dtype=np.float64)) for name, (w, e) in errors.items()}
    metrics = {name: float(error) for name, (_, error) in errors.items() if terms}
    metrics["loss"] = _loss(model, errors, few)
    metrics |= error(images, rebuilt)
    latents = model.latents(few) if model.quantizers else ()
    tiers = zip(model.tier_names, model.quantizers, codes, latents)
    for tier, layer, tier_codes, tier_latents in tiers:
        terms = layer.loss_terms(tier_latents)
        numbers = codebook_metrics(layer, tier_codes) | terms
        numbers |= sizes(layer, np.asarray(tier_latents))
        metrics |= {f"{tier}_{name}": float(value) for name, value in numbers.items()}
    return metrics, codes, rebuilt


def _loss(model, errors, few):
    """What training minimizes: the errors, and the other terms of a few images."""
    model(few)
    weighted = sum(weight * error for weight, error in errors.values())
    return float(weighted) + sum(float(loss) for loss in model.losses)

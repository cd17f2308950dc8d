"""Priors of a small model's codes."""

import keras
import numpy as np

from tests.helpers.small_models import model_of
from vqzoo.priors import GatedPixelCNN, PixelCNN
from vqzoo.priors.pipeline import Pipeline

SMALL = {"num_blocks": 1, "num_channels": 8, "first_kernel_size": 3}


def pipeline_of(num_classes=2, sizes=(8, 16), names=("cat", "dog"), model=None):
    """Priors over the codes of `model_of`, not trained."""
    options = {"num_classes": num_classes, **SMALL}
    priors = [
        PixelCNN((2, 2), sizes[0], **options),
        PixelCNN((4, 4), sizes[1], context=[((2, 2), 8)], **options),
    ]
    return Pipeline(model or model_of(0), priors, names[:num_classes])


def sure_pipeline(seed=0, num_classes=2):
    """Priors that are sure of some codes."""
    model = model_of(seed)
    keras.utils.set_random_seed(seed)
    top = PixelCNN((2, 2), 8, num_classes=num_classes, **SMALL)
    bottom = GatedPixelCNN(
        (4, 4), 16, context=[((2, 2), 8)], num_layers=2, num_channels=8
    )
    generator = np.random.default_rng(seed)
    for prior in (top, bottom):
        for weight in prior.trainable_variables:
            noise = generator.normal(0, 0.3, weight.shape)
            weight.assign(weight.value + noise.astype("float32"))
    return Pipeline(model, [top, bottom], ("cat", "dog")[:num_classes])

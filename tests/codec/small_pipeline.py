"""A small model with priors that are sure of some codes."""

import keras
import numpy as np

from tests.training.small_codes import model_of
from vqzoo.priors import GatedPixelCNN, PixelCNN
from vqzoo.priors.pipeline import Pipeline


def pipeline_of(seed=0, num_classes=2):
    model = model_of(seed)
    keras.utils.set_random_seed(seed)
    top = PixelCNN(
        (2, 2),
        8,
        num_classes=num_classes,
        num_blocks=1,
        num_channels=8,
        first_kernel_size=3,
    )
    bottom = GatedPixelCNN(
        (4, 4), 16, context=[((2, 2), 8)], num_layers=2, num_channels=8
    )
    generator = np.random.default_rng(seed)
    for prior in (top, bottom):
        for weight in prior.trainable_variables:
            noise = generator.normal(0, 0.3, weight.shape)
            weight.assign(weight.value + noise.astype("float32"))
    return Pipeline(model, [top, bottom], ("cat", "dog")[:num_classes])

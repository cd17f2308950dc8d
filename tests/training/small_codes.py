"""A small model of two tiers."""

import keras
import numpy as np

from vqzoo.layers import NoisyAssignment, VectorQuantizerEMA
from vqzoo.models import VQVAE2


def model_of(seed):
    keras.utils.set_random_seed(seed)
    tiers = [
        VectorQuantizerEMA(size, 4, assignment=NoisyAssignment(0.5)) for size in (8, 16)
    ]
    model = VQVAE2(
        tiers,
        image_shape=(16, 16, 3),
        num_channels=8,
        residual_channels=4,
        num_residual_blocks=1,
    )
    images = np.random.default_rng(seed).uniform(-0.5, 0.5, (8, 16, 16, 3))
    model(images.astype("float32"), training=True)
    return model

"""A small prior of each kind that draws its codes one by one."""

import keras
import numpy as np

from vqzoo.priors import (
    GatedPixelCNN,
    PixelCNN,
    PixelRNN,
    PixelSNAIL,
    RotaryTransformer,
    Transformer,
)

KINDS = {
    "gated_pixelcnn": (
        GatedPixelCNN,
        {
            "num_layers": 3,
            "num_channels": 8,
            "output_channels": 12,
            "first_kernel_size": 5,
        },
    ),
    "pixelcnn": (PixelCNN, {"num_channels": 8, "first_kernel_size": 5}),
    "row_lstm": (PixelRNN, {"cell": "row", "num_layers": 2, "units": 4}),
    "diagonal_bilstm": (PixelRNN, {"num_layers": 2, "units": 4}),
    "pixelsnail": (
        PixelSNAIL,
        {
            "num_blocks": 2,
            "num_residual_blocks": 2,
            "num_channels": 8,
            "residual_channels": 6,
            "kernel_size": 3,
            "num_heads": 2,
        },
    ),
    "pixelsnail_plain": (
        PixelSNAIL,
        {
            "num_blocks": 2,
            "num_residual_blocks": 1,
            "num_channels": 8,
            "residual_channels": 6,
            "kernel_size": 5,
            "num_heads": 0,
        },
    ),
    "transformer": (
        Transformer,
        {"num_layers": 2, "num_channels": 8, "num_heads": 2},
    ),
    "rotary_transformer": (
        RotaryTransformer,
        {"num_layers": 2, "num_channels": 8, "num_heads": 2},
    ),
}


def prior_of(grid_shape=(4, 6), num_embeddings=16, kind="gated_pixelcnn", **options):
    keras.utils.set_random_seed(0)
    make, small = KINDS[kind]
    prior = make(grid_shape, num_embeddings, **{**small, **options})
    generator = np.random.default_rng(0)
    for weight in prior.trainable_variables:
        noise = generator.normal(0, 0.1, weight.shape)
        weight.assign(weight.value + noise.astype("float32"))
    kernel = prior.output_logits.kernel  # Logits that differ from each other.
    kernel.assign(3 * kernel.value)
    return prior

"""A codebook of 4 x 2 that can be worked by hand."""

import keras
import numpy as np

from vqzoo.quantizers.assignments import Assignment

CODEBOOK = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], "float32")
# Nearest codes 0, 1, 3, 1; differences (0.5, 0), (0, -0.5), (0, 1), (-0.5, 0.5).
LATENTS = np.array([[0.5, 0], [2, -0.5], [2, 3], [1.5, 0.5]], "float32")
CODES = [0, 1, 3, 1]
MEAN_SQUARE = (0.25 + 0.25 + 1 + 0.5) / 8


class NextCode(Assignment):
    """Noise that is always one step, around the end."""

    def call(self, codes, num_embeddings, training=False):
        return keras.ops.mod(codes + 1, num_embeddings) if training else codes


def check_inference_takes_the_nearest_code_and_has_no_loss(layer):
    """Of a quantizer over `CODEBOOK` without losses of its own."""
    for _ in range(2):
        np.testing.assert_array_equal(layer(LATENTS), CODEBOOK[CODES])
    assert np.asarray(layer.encode(LATENTS)).tolist() == CODES
    assert layer.losses == [] and layer.loss_terms(LATENTS) == {}


def check_the_unused_code_goes_beside_a_used_one(layer):
    """Of a quantizer over `CODEBOOK` that counts one batch, and restarts."""
    layer(LATENTS, training=True)
    codebook = keras.ops.convert_to_numpy(layer.codebook)
    np.testing.assert_allclose(codebook[[0, 1, 3]], CODEBOOK[[0, 1, 3]])
    assert np.linalg.norm(codebook[2] - CODEBOOK[[0, 1, 3]], axis=1).min() < 0.5

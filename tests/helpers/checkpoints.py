"""Checkpoints as other libraries save them, of models of ours."""

import keras
import numpy as np
from keras import ops

from vqzoo.convert import FAMILIES, tables
from vqzoo.layers import VectorQuantizer
from vqzoo.models import VQGAN

SIZES = {
    "image_shape": (16, 16, 3),
    "num_channels": 4,
    "channel_multipliers": (1, 2),
    "num_residual_blocks": 1,
    "attention_levels": (1,),
    "latent_channels": 5,
    "num_groups": 4,
}


def network(quantizer=None, **sizes):
    """A small VQGAN none of whose weights is 0 or 1."""
    start = keras.initializers.RandomNormal(stddev=0.5, seed=1)
    model = VQGAN(
        quantizer or VectorQuantizer(16, 3, codebook_init=start, name="quantizer"),
        **{**SIZES, **sizes},
    )
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(0, 0.1, weight.shape)
        weight.assign(ops.convert_to_numpy(weight.value) + noise)
    return model


def state(model, family="taming"):
    """The tensors of a model by a family's names: a dict of arrays."""
    return tables.written(FAMILIES[family], model)


def shares(model, images):
    """Codes and images of a model as arrays."""
    codes = np.asarray(ops.convert_to_numpy(model.encode(images)[0]))
    return codes, np.asarray(ops.convert_to_numpy(model.decode(codes)))

"""Janus as transformers has it: taming's names, the decoder in the order of layers."""

import dataclasses

import keras

from vqzoo.convert import network, taming
from vqzoo.convert.tables import Names
from vqzoo.layers import TransformedQuantizer, VectorQuantizer

COARSEST_FIRST = {
    "decoder.up.{level}.block.{i}": "decoder/up_{level}_block_{i}",
    "decoder.up.{level}.attn.{i}": "decoder/up_{level}_attention_{i}",
    "decoder.up.{level}.upsample.conv": "decoder/up_{level}_doubling",
}


def unit_length(num_embeddings, embedding_dim):
    """The quantizer that outputs the nearest code vector at length 1."""
    unit = keras.layers.UnitNormalization(name="unit")
    nearest = VectorQuantizer(num_embeddings, embedding_dim, name="nearest")
    return TransformedQuantizer(nearest, embedding_dim, after=unit, name="quantizer")


def _make(described, config, side):
    return network.make(described, side, quantizer=unit_length, name="janus")


FAMILY = dataclasses.replace(
    taming.FAMILY,
    name="janus",
    text="Janus and Janus-Pro as in transformers",
    signature=(*taming.FAMILY.signature, *taming.FAMILY.absent),
    absent=(),
    names=Names(taming.MODULES | COARSEST_FIRST, taming.TENSORS),
    make=_make,
    writes=False,
)

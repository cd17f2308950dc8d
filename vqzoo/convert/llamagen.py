"""LlamaGen and the original Janus: `encoder.conv_blocks.0.res.0`, codes of length 1."""

from vqzoo.convert import network
from vqzoo.convert.tables import Family, Names
from vqzoo.layers import VectorQuantizer

MODULES = {
    "encoder.conv_in": "encoder/conv_in",
    "encoder.conv_blocks.{level}.res.{i}": "encoder/down_{level}_block_{i}",
    "encoder.conv_blocks.{level}.attn.{i}": "encoder/down_{level}_attention_{i}",
    "encoder.conv_blocks.{level}.downsample.conv": "encoder/down_{level}_halving",
    "encoder.mid.0": "encoder/middle_block_0",
    "encoder.mid.1": "encoder/middle_attention_0",
    "encoder.mid.2": "encoder/middle_block_1",
    "encoder.norm_out": "encoder/norm_out",
    "encoder.conv_out": "encoder/conv_out",
    "quant_conv": "projection",
    "post_quant_conv": "decoder/expansion",
    "decoder.conv_in": "decoder/conv_in",
    "decoder.mid.0": "decoder/middle_block_0",
    "decoder.mid.1": "decoder/middle_attention_0",
    "decoder.mid.2": "decoder/middle_block_1",
    "decoder.conv_blocks.{level}.res.{i}": "decoder/up_{level}_block_{i}",
    "decoder.conv_blocks.{level}.attn.{i}": "decoder/up_{level}_attention_{i}",
    "decoder.conv_blocks.{level}.upsample.conv": "decoder/up_{level}_doubling",
    "decoder.norm_out": "decoder/norm_out",
    "decoder.conv_out": "decoder/conv_out",
}


def _unit_codes(num_embeddings, embedding_dim):
    return VectorQuantizer(
        num_embeddings, embedding_dim, normalize=True, name="quantizer"
    )


def _make(described, config, side):
    return network.make(described, side, quantizer=_unit_codes, name="llamagen")


FAMILY = Family(
    name="llamagen",
    text="LlamaGen; Janus as DeepSeek published it",
    signature=("encoder.conv_blocks.0.res.0.conv1.weight",),
    names=Names(
        MODULES,
        {"quantize.embedding.weight": network.CODEBOOK},
        left_out=(r"^quantize\.codebook_used$",),
    ),
    describe=network.describe,
    make=_make,
    factors=network.FACTORS,
    weights=network.weights,
)

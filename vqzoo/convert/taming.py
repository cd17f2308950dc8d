"""taming-transformers, latent diffusion, Chameleon, IBQ: `encoder.down.0.block.0`."""

from vqzoo.convert import network
from vqzoo.convert.tables import Family, Names

MODULES = {
    "encoder.conv_in": "encoder/conv_in",
    "encoder.down.{level}.block.{i}": "encoder/down_{level}_block_{i}",
    "encoder.down.{level}.attn.{i}": "encoder/down_{level}_attention_{i}",
    "encoder.down.{level}.downsample.conv": "encoder/down_{level}_halving",
    "encoder.mid.block_1": "encoder/middle_block_0",
    "encoder.mid.attn_1": "encoder/middle_attention_0",
    "encoder.mid.block_2": "encoder/middle_block_1",
    "encoder.norm_out": "encoder/norm_out",
    "encoder.conv_out": "encoder/conv_out",
    "quant_conv": "projection",
    "post_quant_conv": "decoder/expansion",
    "decoder.conv_in": "decoder/conv_in",
    "decoder.mid.block_1": "decoder/middle_block_0",
    "decoder.mid.attn_1": "decoder/middle_attention_0",
    "decoder.mid.block_2": "decoder/middle_block_1",
    "decoder.norm_out": "decoder/norm_out",
    "decoder.conv_out": "decoder/conv_out",
}
# Here the decoder's level 0 is the finest; ours counts in the order of its layers.
FINEST_FIRST = {
    "decoder.up.{-level}.block.{i}": "decoder/up_{level}_block_{i}",
    "decoder.up.{-level}.attn.{i}": "decoder/up_{level}_attention_{i}",
    "decoder.up.{-level}.upsample.conv": "decoder/up_{level}_doubling",
}
TENSORS = {"quantize.embedding.weight": network.CODEBOOK}
LEFT_OUT = (r"^(loss|discriminator|perceptual_loss)\.", r"^model_ema[.]")


def stated(described):
    """What the YAML of taming-transformers or a config of transformers has to say."""
    return {
        "ddconfig.ch": described["num_channels"],
        "ddconfig.ch_mult": list(described["channel_multipliers"]),
        "ddconfig.num_res_blocks": described["num_residual_blocks"],
        "ddconfig.z_channels": described["latent_channels"],
        "ddconfig.in_channels": described["image_channels"],
        "ddconfig.double_z": False,
        "n_embed": described["num_embeddings"],
        "base_channels": described["num_channels"],
        "channel_multiplier": list(described["channel_multipliers"]),
        "num_res_blocks": described["num_residual_blocks"],
        "latent_channels": described["latent_channels"],
        "num_embeddings": described["num_embeddings"],
        "embed_dim": described["embedding_dim"],
        "in_channels": described["image_channels"],
        "double_latent": False,
    }


def make(described, config, side):
    """The model; its quantizer takes the nearest code."""
    return network.make(described, side)


FAMILY = Family(
    name="taming",
    text="taming-transformers, latent diffusion, Chameleon, IBQ",
    signature=("encoder.down.0.block.0.conv1.weight",),
    absent=("decoder.up.0.upsample.conv.weight",),
    names=Names(MODULES | FINEST_FIRST, TENSORS, left_out=LEFT_OUT),
    describe=network.describe,
    make=make,
    stated=stated,
    factors=network.FACTORS,
    weights=network.weights,
    writes=True,
    groups=32,
)

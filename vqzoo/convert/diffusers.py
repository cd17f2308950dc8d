"""VQModel of diffusers: `encoder.down_blocks.0.resnets.0`."""

from vqzoo.convert import network
from vqzoo.convert.tables import BLOCK, Family, Names

MODULES = {
    "encoder.conv_in": "encoder/conv_in",
    "encoder.down_blocks.{level}.resnets.{i}": "encoder/down_{level}_block_{i}",
    "encoder.down_blocks.{level}.attentions.{i}": "encoder/down_{level}_attention_{i}",
    "encoder.down_blocks.{level}.downsamplers.0.conv": "encoder/down_{level}_halving",
    "encoder.mid_block.resnets.{i}": "encoder/middle_block_{i}",
    "encoder.mid_block.attentions.{i}": "encoder/middle_attention_{i}",
    "encoder.conv_norm_out": "encoder/norm_out",
    "encoder.conv_out": "encoder/conv_out",
    "quant_conv": "projection",
    "post_quant_conv": "decoder/expansion",
    "decoder.conv_in": "decoder/conv_in",
    "decoder.mid_block.resnets.{i}": "decoder/middle_block_{i}",
    "decoder.mid_block.attentions.{i}": "decoder/middle_attention_{i}",
    "decoder.up_blocks.{level}.resnets.{i}": "decoder/up_{level}_block_{i}",
    "decoder.up_blocks.{level}.attentions.{i}": "decoder/up_{level}_attention_{i}",
    "decoder.up_blocks.{level}.upsamplers.0.conv": "decoder/up_{level}_doubling",
    "decoder.conv_norm_out": "decoder/norm_out",
    "decoder.conv_out": "decoder/conv_out",
}
FAMILY_BLOCK = BLOCK | {"conv_shortcut": "shortcut"}
# The second name of a part is that of files before diffusers 0.15.
ATTENTION = {
    "group_norm": "norm",
    "to_q": "query",
    "query": "query",
    "to_k": "key",
    "key": "key",
    "to_v": "value",
    "value": "value",
    "to_out.0": "result",
    "proj_attn": "result",
}


def stated(described):
    """What config.json of diffusers has to say."""
    channels = described["num_channels"]
    levels = len(described["channel_multipliers"])
    attention = described["attention_levels"]
    kinds = ["Attn" if level in attention else "" for level in range(levels)]
    return {
        "act_fn": "silu",
        "block_out_channels": [channels * m for m in described["channel_multipliers"]],
        "down_block_types": [f"{kind}DownEncoderBlock2D" for kind in kinds],
        "in_channels": described["image_channels"],
        "latent_channels": described["latent_channels"],
        "layers_per_block": described["num_residual_blocks"],
        "mid_block_add_attention": described["middle_attention"],
        "norm_type": "group",
        "num_vq_embeddings": described["num_embeddings"],
        "out_channels": described["image_channels"],
        "up_block_types": [f"{kind}UpDecoderBlock2D" for kind in reversed(kinds)],
        "vq_embed_dim": described["embedding_dim"],
    }


def _config(described, model):
    """The config.json with which diffusers loads the weights of a model."""
    sides = {"sample_size": model.image_shape[0]} if model.image_shape[0] else {}
    known = {"_class_name": "VQModel", "norm_num_groups": model.num_groups}
    return {**known, **stated(described), **sides}


def _make(described, config, side):
    num_groups = config.get("norm_num_groups", 32)
    return network.make(described, side, num_groups=num_groups, name="vqmodel")


FAMILY = Family(
    name="diffusers",
    text="VQModel of diffusers: latent diffusion, VQ-Diffusion, aMUSEd",
    signature=("encoder.down_blocks.0.resnets.0.conv1.weight",),
    names=Names(
        MODULES,
        {"quantize.embedding.weight": network.CODEBOOK},
        block=FAMILY_BLOCK,
        attention=ATTENTION,
    ),
    describe=network.describe,
    make=_make,
    stated=stated,
    factors=network.FACTORS,
    weights=network.weights,
    writes=True,
    config=_config,
)

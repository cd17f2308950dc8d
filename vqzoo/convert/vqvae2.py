"""The most used public VQ-VAE-2, rosinality's: `enc_b.blocks.0`."""

from vqzoo.convert.tables import ConvertError, Family, Names
from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import vqvae2_256_public


def _residual(source, target, blocks):
    """Names of the blocks that stand at a place of ours."""
    return {
        f"{source}.{place}.conv.{conv}": f"{target}/block_{i}/{part}"
        for i, place in enumerate(blocks)
        for conv, part in ((1, "wide"), (3, "point"))
    }


MODULES = {
    "enc_b.blocks.0": "bottom_encoder/0",
    "enc_b.blocks.2": "bottom_encoder/1",
    "enc_b.blocks.4": "bottom_encoder/2",
    **_residual("enc_b.blocks", "bottom_encoder/3", (5, 6)),
    "enc_t.blocks.0": "top_encoder/0",
    "enc_t.blocks.2": "top_encoder/1",
    **_residual("enc_t.blocks", "top_encoder/2", (3, 4)),
    "quantize_conv_t": "top_projection",
    "quantize_conv_b": "bottom_projection",
    "dec_t.blocks.0": "top_decoder/0",
    **_residual("dec_t.blocks", "top_decoder/1", (1, 2)),
    "dec_t.blocks.4": "top_decoder/2",
    "upsample_t": "top_upsampling",
    "dec.blocks.0": "decoder/0",
    **_residual("dec.blocks", "decoder/1", (1, 2)),
    "dec.blocks.4": "decoder/2",
    "dec.blocks.6": "decoder/3",
}
STATE = {"embed": "codebook", "cluster_size": "ema_counts", "embed_avg": "ema_sums"}
TENSORS = {
    f"quantize_{tier[0]}.{source}": f"{tier}_quantizer/{target}"
    for tier in ("top", "bottom")
    for source, target in STATE.items()
}


def _describe(shapes):
    try:
        (first, channels, *_), (hidden, *_) = (
            shapes[f"bottom_encoder/{place}/kernel"]
            for place in ("2", "3/block_0/wide")
        )
        embedding_dim, num_embeddings = shapes["top_quantizer/codebook"]
        image_channels = shapes["bottom_encoder/0/kernel"][1]
    except KeyError as error:
        raise ConvertError(f"expected a tensor for {error}: it is missing") from error
    return {
        "num_channels": first,
        "residual_channels": hidden,
        "num_embeddings": num_embeddings,
        "embedding_dim": embedding_dim,
        "image_channels": image_channels,
    }


def _make(described, config, side):
    sizes = dict(described)
    codes = sizes.pop("num_embeddings"), sizes.pop("embedding_dim")
    names = ("top_quantizer", "bottom_quantizer")
    channels = sizes.pop("image_channels")
    return vqvae2_256_public(
        lambda tier: VectorQuantizerEMA(*codes, name=names[tier]),
        image_shape=(side, side, channels),
        **sizes,
    )


def _weights(model):
    """Weights by the place of their layer: Keras numbers the layers of all models."""
    named = {w.path: w for part in model.quantizers for w in part.weights}
    for part in (*model.projections, *model.tier_upsamplings):
        named |= {f"{part.name}/{w.name}": w for w in part.weights}
    for part in (*model.encoders, *model.tier_decoders, model.decoder):
        for place, layer in enumerate(part.layers):
            for weight in layer.weights:
                tail = weight.path.rpartition(f"{layer.name}/")[2]
                named[f"{part.name}/{place}/{tail}"] = weight
    return named


FAMILY = Family(
    name="vqvae2",
    text="rosinality's vq-vae-2-pytorch",
    signature=("enc_b.blocks.0.weight", "quantize_t.embed"),
    names=Names(MODULES, TENSORS),
    describe=_describe,
    make=_make,
    factors={
        "bottom_encoder/0/kernel": 2,
        "decoder/3/kernel": 0.5,
        "decoder/3/bias": 0.5,
    },
    constants={f"{tier}_quantizer/started": 1.0 for tier in ("top", "bottom")},
    transposed=frozenset(
        f"{tier}_quantizer/{name}"
        for tier in ("top", "bottom")
        for name in ("codebook", "ema_sums")
    ),
    weights=_weights,
)

"""The discrete VAE of DALL-E: `encoder.blocks.input.w`, both halves in one file."""

from vqzoo.convert.tables import ConvertError, Family, Names
from vqzoo.models import DiscreteVAE
from vqzoo.quantizers.one_hot_quantizer import OneHotQuantizer

MODULES = {
    "encoder.blocks.input": "encoder_in",
    "encoder.blocks.output.conv": "projection",
    "decoder.blocks.input": "decoder_in",
    "decoder.blocks.output.conv": "decoder_out",
}
for half in ("encoder", "decoder"):
    block = f"{half}.blocks.group_{{group}}.block_{{i}}"
    ours = f"{half}_{{group}}_{{i}}"
    MODULES[f"{block}.res_path.conv_{{j}}"] = f"{ours}_conv_{{j}}"
    MODULES[f"{block}.id_path"] = f"{ours}_shortcut"


def _describe(shapes):
    try:
        first, image_channels = shapes["encoder_in/kernel"][:2]
        num_embeddings = shapes["projection/kernel"][0]
        decoded, num_codes = shapes["decoder_in/kernel"][:2]
    except KeyError as error:
        raise ConvertError(
            f"expected a tensor for {error}: it is missing. Encoder and decoder are "
            "two files there, and one here"
        ) from error
    if num_codes != num_embeddings:
        raise ConvertError(
            f"expected an encoder and a decoder of as many codes, received "
            f"{num_embeddings} and {num_codes}"
        )
    groups = max(
        int(path.split("_")[1])
        for path in shapes
        if path[:9].startswith("encoder_")
        if path[8].isdigit()
    )
    last = [f"encoder_{group}_1_conv_4/kernel" for group in range(1, groups + 1)]
    return {
        "image_channels": image_channels,
        "num_channels": first,
        "channel_multipliers": tuple(shapes[path][0] // first for path in last),
        "num_residual_blocks": sum(
            path.startswith("encoder_1_") and path.endswith("_conv_1/kernel")
            for path in shapes
        ),
        "first_channels": decoded,
        "num_embeddings": num_embeddings,
    }


def _make(described, config, side):
    sizes = dict(described)
    quantizer = OneHotQuantizer(sizes.pop("num_embeddings"), name="quantizer")
    shape = (side, side, sizes.pop("image_channels"))
    return DiscreteVAE(quantizer, image_shape=shape, name="dalle_dvae", **sizes)


FAMILY = Family(
    name="dalle",
    text="the discrete VAE of DALL-E, encoder and decoder in one file",
    signature=("encoder.blocks.input.w", "decoder.blocks.input.w"),
    names=Names(MODULES, {}, leaves=("w", "b")),
    describe=_describe,
    make=_make,
    # Scales of the logit-Laplace distribution follow the channels of the image.
    first_outputs=frozenset({"decoder_out/kernel", "decoder_out/bias"}),
    constants={"quantizer/steps": 0.0},
)

"""The sizes of a `VQGAN` as the tensors of a checkpoint have them."""

import re

from vqzoo.convert.tables import CODEBOOK, ConvertError
from vqzoo.layers import VectorQuantizer
from vqzoo.models import VQGAN

# [-1, 1] there is [-0.5, 0.5] here: the first convolution multiplies, the last divides.
FACTORS = {
    "encoder/conv_in/kernel": 2,
    "decoder/conv_out/kernel": 0.5,
    "decoder/conv_out/bias": 0.5,
}


def describe(shapes):
    """The arguments of `VQGAN` and of its quantizer that shapes of tensors say.

    Args:
        shapes: dict from the path of a weight to the shape that its tensor has.

    Returns:
        dict, with `num_embeddings` and `embedding_dim` among them.

    Raises:
        ConvertError: if what says a size is missing, or a level has channels that are
            not a multiple of the first.
    """

    def shape(path):
        if path not in shapes:
            raise ConvertError(
                f"expected a tensor for {path}, which says a size of the network: it "
                "is missing. A file with the encoder alone has no model"
            )
        return shapes[path]

    num_channels, image_channels = shape("encoder/conv_in/kernel")[:2]
    first = re.compile(r"encoder/down_(\d+)_block_0/conv_1/kernel")
    levels = sorted(int(m[1]) for path in shapes if (m := first.fullmatch(path)))
    multipliers = []
    for level in range(max(levels, default=0) + 1):
        channels = shape(f"encoder/down_{level}_block_0/conv_1/kernel")[0]
        if channels % num_channels:
            raise ConvertError(
                f"expected levels whose channels are multiples of {num_channels}, "
                f"those of the first convolution, received {channels}"
            )
        multipliers.append(channels // num_channels)
    blocks = [path for path in shapes if re.match(r"encoder/down_0_block_\d+/n", path)]
    num_embeddings, embedding_dim = shape(CODEBOOK)
    return {
        "image_channels": image_channels,
        "num_channels": num_channels,
        "channel_multipliers": tuple(multipliers),
        "num_residual_blocks": len({path.split("/")[1] for path in blocks}),
        "attention_levels": tuple(
            level
            for level in levels
            if f"encoder/down_{level}_attention_0/query/kernel" in shapes
        ),
        "middle_attention": "encoder/middle_attention_0/query/kernel" in shapes,
        "latent_channels": shape("encoder/conv_out/kernel")[0],
        "num_embeddings": num_embeddings,
        "embedding_dim": embedding_dim,
    }


def nearest(num_embeddings, embedding_dim):
    """The quantizer that takes the nearest code as it is."""
    return VectorQuantizer(num_embeddings, embedding_dim, name="quantizer")


def make(described, side, *, quantizer=nearest, num_groups=32, name="vqgan"):
    """The model of what `describe` gives, for images of a side, or any side of None."""
    sizes = dict(described)
    channels = sizes.pop("image_channels")
    codes = sizes.pop("num_embeddings"), sizes.pop("embedding_dim")
    return VQGAN(
        quantizer(*codes),
        image_shape=(side, side, channels),
        num_groups=num_groups,
        name=name,
        **sizes,
    )


def weights(model):
    """The weights of a model by path, whatever its quantizer is called inside."""
    return {re.sub(r"^.*/codebook$", CODEBOOK, w.path): w for w in model.weights}

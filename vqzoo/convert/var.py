"""VAR: taming's names, queries, keys and values in one tensor, codes of many scales."""

import dataclasses
import re

import numpy as np
from keras import ops

from vqzoo.convert import network, taming
from vqzoo.convert.tables import ConvertError, Names
from vqzoo.layers import MultiScaleResidualQuantizer, VectorQuantizer

# The sides of the scales by that of the last: those of the published prior models.
GRIDS = {
    grids[-1]: grids
    for grids in (
        (1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
        (1, 2, 3, 4, 6, 9, 13, 18, 24, 32),
    )
}
_CONVOLUTION = re.compile(r"quantizer/convolution_\d+/kernel")


class _Part:
    """One of the convolutions that a quantizer keeps in one weight.

    Args:
        weight: Keras weight, `(n, ...)`.
        index: int in [0, n).
    """

    def __init__(self, weight, index):
        self.weight, self.index = weight, index
        self.shape = tuple(weight.shape[1:])

    def assign(self, value):
        """As of a weight."""
        whole = np.array(ops.convert_to_numpy(self.weight.value))
        whole[self.index] = value
        self.weight.assign(whole)


def _describe(shapes):
    """As `network.describe`, with what the quantizer's convolutions say."""
    return network.describe(shapes) | {
        "latent_kernel_size": shapes["projection/kernel"][-1],
        "num_convolutions": len(list(filter(_CONVOLUTION.fullmatch, shapes))),
    }


def _make(described, config, side):
    sizes = dict(described)
    stride = 2 ** (len(sizes["channel_multipliers"]) - 1)
    grids = config.get("v_patch_nums") or GRIDS.get(side // stride)
    if grids is None:
        known = " and ".join(str(stride * last) for last in GRIDS)
        raise ConvertError(
            f"expected images of {known} pixels, whose scales VAR has published, or "
            f"v_patch_nums beside resolution in config.json, received {side} pixels"
        )
    options = {"num_convolutions": sizes.pop("num_convolutions"), "name": "quantizer"}

    def make(num_embeddings, embedding_dim):
        shared = VectorQuantizer(num_embeddings, embedding_dim, name="nearest")
        return MultiScaleResidualQuantizer(shared, tuple(grids), **options)

    return network.make(sizes, side, quantizer=make, name="var")


def _weights(model):
    """The weights by path, each of the quantizer's convolutions by itself."""
    found = network.weights(model)
    for path in [path for path in found if path.startswith("quantizer/")]:
        name = {"kernels": "kernel", "offsets": "bias"}.get(path.rpartition("/")[2])
        if name:
            whole = found.pop(path)
            for index in range(whole.shape[0]):
                part = _Part(whole, index)
                found[f"quantizer/convolution_{index}/{name}"] = part
    return found


FAMILY = dataclasses.replace(
    taming.FAMILY,
    name="var",
    text="VAR, the tokenizer of next-scale prediction",
    signature=(
        *taming.FAMILY.signature,
        "quantize.quant_resi.qresi_ls.0.weight",
    ),
    names=Names(
        taming.MODULES
        | taming.FINEST_FIRST
        | {"quantize.quant_resi.qresi_ls.{i}": "quantizer/convolution_{i}"},
        taming.TENSORS,
        left_out=(*taming.LEFT_OUT, r"^quantize\.ema_vocab_hit_SV$"),
    ),
    fused={".qkv": (".q", ".k", ".v")},
    describe=_describe,
    make=_make,
    weights=_weights,
    writes=False,
)

"""Layers of vector-quantize-pytorch: the tensors of one in, the same codes out."""

import keras
import numpy as np

from vqzoo.convert.tables import ConvertError
from vqzoo.layers import (
    FiniteScalarQuantizer,
    LookupFreeQuantizer,
    ResidualQuantizer,
    SimVQ,
    TransformedQuantizer,
    VectorQuantizerEMA,
)

_STATE = {
    "_codebook.embed": "codebook",
    "_codebook.cluster_size": "ema_counts",
    "_codebook.embed_avg": "ema_sums",
}
_IGNORED = ("_codebook.initted", "mask")


def quantizer(kind, tensors, *, levels=None, cosine=False):
    """The layer whose codes are those of a layer of vector-quantize-pytorch.

    Args:
        kind: str, its class: `"VectorQuantize"`, `"ResidualVQ"`, `"FSQ"`, `"LFQ"` or
            `"SimVQ"`.
        tensors: dict from names to arrays, its `state_dict()`.
        levels: sequence of ints, of `FSQ`, whose tensors do not say them.
        cosine: bool, whether `VectorQuantize` has `use_cosine_sim=True`.

    Returns:
        A built `Quantizer` of latents `(batch, ..., D)`.

    Raises:
        ConvertError: if a tensor is missing, or there is one that the layer has not.
    """
    makers = {
        "VectorQuantize": lambda left: _vectors(left, cosine),
        "ResidualVQ": lambda left: _residual(left, cosine),
        "FSQ": lambda left: _finite(levels),
        "LFQ": _bits,
        "SimVQ": _sim,
    }
    if kind not in makers:
        known = ", ".join(makers)
        raise ConvertError(f"expected one of {known}, received kind={kind!r}")
    left = {name: np.asarray(value, "float32") for name, value in tensors.items()}
    projections = _projections(left)
    try:
        inner, weights = makers[kind](left)
    except KeyError as error:
        raise ConvertError(f"expected a tensor {error} of {kind}") from error
    if unknown := [name for name in left if not name.endswith(_IGNORED)]:
        raise ConvertError(f"expected a {kind} alone, received too {unknown}")
    if kind == "LFQ":  # There the first channel is the highest bit, here the lowest.
        projections = _turned(projections, inner.embedding_dim)
    layer = _between(inner, projections)
    layer.build((None, layer.embedding_dim))
    for part, values in weights:
        for name, value in values.items():
            getattr(part, name).assign(value)
    if projections:
        layer.before.set_weights(projections[0])
        layer.after.set_weights(projections[1])
    return layer


def _projections(left):
    """Kernel and bias of the linear maps before and behind, or ()."""
    if "project_in.weight" not in left:
        return ()
    names = ("project_in", "project_out")
    return [(left.pop(f"{name}.weight").T, left.pop(f"{name}.bias")) for name in names]


def _turned(projections, dim):
    """The maps with the channels between them in the opposite order."""
    if not projections:
        turn = np.eye(dim, dtype="float32")[::-1]
        return [(turn, np.zeros(dim)), (turn, np.zeros(dim))]
    (kernel, bias), (back, offset) = projections
    return [(kernel[:, ::-1], bias[::-1]), (back[::-1], offset)]


def _between(inner, projections):
    if not projections:
        return inner
    dim = projections[0][0].shape[0]
    before = keras.layers.Dense(inner.embedding_dim, name="down")
    after = keras.layers.Dense(dim, name="up")
    return TransformedQuantizer(inner, dim, before=before, after=after)


def _codebook(left, prefix, cosine):
    """A layer with one codebook, and the values of its weights."""
    values = {ours: left.pop(f"{prefix}{theirs}")[0] for theirs, ours in _STATE.items()}
    sizes = values["codebook"].shape
    layer = VectorQuantizerEMA(*sizes, normalize=cosine)
    return layer, {**values, "started": 1.0}


def _vectors(left, cosine):
    layer, values = _codebook(left, "", cosine)
    return layer, [(layer, values)]


def _residual(left, cosine):
    count = 1 + max(
        int(name.split(".")[1]) for name in left if name.startswith("layers.")
    )
    stages = [_codebook(left, f"layers.{i}.", cosine) for i in range(count)]
    return ResidualQuantizer([layer for layer, _ in stages]), stages


def _finite(levels):
    if levels is None:
        raise ConvertError("expected levels of FSQ, as (8, 5, 5, 5), received none")
    return FiniteScalarQuantizer(levels, bound="outer"), []


def _bits(left):
    return LookupFreeQuantizer(left.pop("mask").size), []


def _sim(left):
    codes = left.pop("frozen_codebook")
    layer = SimVQ(*codes.shape, mapping_init="identity")
    mapping = left.pop("code_transform.weight").T
    return layer, [(layer, {"frozen_codebook": codes, "mapping_start": mapping})]

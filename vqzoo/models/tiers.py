"""What models with several tiers share: names, checks, codes of a subset of tiers."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_codes
from vqzoo.models import convolutional
from vqzoo.models.base import ImageModel
from vqzoo.ops import mean_of
from vqzoo.replicas import ReplicaLosses


class TieredModel(ImageModel):
    """Abstract: a model with a quantizer for each of its tiers, top first."""

    def _keep(self, values):
        super()._keep(values)
        self.tier_names = tier_names(len(values["quantizers"]))

    @property
    def total_stride(self):
        return self.bottom_stride * 2 ** (len(self.tier_names) - 1)


def tier_names(num_tiers):
    """Names of the tiers, top first; the last one is always `"bottom"`."""
    if num_tiers <= 3:
        return ("top", "middle", "bottom")[: num_tiers - 1] + ("bottom",)
    return tuple(f"tier_{i}" for i in range(num_tiers - 1)) + ("bottom",)


def check_quantizers(quantizers):
    """Raises ValueError unless there is a quantizer."""
    if not quantizers:
        raise ValueError("expected at least one quantizer, received quantizers=()")


def make_quantizers(quantizer, num_tiers, default):
    """A quantizer layer for each tier, top first.

    Args:
        quantizer: function from the tier's index to a layer, or None for the default.
        num_tiers: int.
        default: function of `name` to a layer.

    Returns:
        list of layers.
    """
    names = tier_names(num_tiers)
    make = quantizer or (lambda tier: default(name=f"{names[tier]}_quantizer"))
    return [make(tier) for tier in range(num_tiers)]


def check_halvings(quantizers, image_shape, bottom_stride, pad=False):
    """Raises ValueError unless the sides divide by a stride that doubles each tier."""
    check_quantizers(quantizers)
    top_stride = bottom_stride * 2 ** (len(quantizers) - 1)
    convolutional.check_image_shape(image_shape, top_stride, pad)


def grid_shapes(model):
    """`(height, width)` of the codes of each tier, top first; more with more codes."""
    if None in model.item_shape:
        raise ValueError(
            f"expected a model of {model.item}s of one size, received "
            f"{model.item}_shape={model.item_shape}"
        )
    item = np.zeros((1, *model.item_shape), "float32")
    return [tuple(codes.shape[1:]) for codes in model.encode(item)]


def checked_codes(codes, quantizers):
    """Codes of each tier as a tuple of int32 tensors, or None.

    Args:
        codes: sequence with an array, a tensor of any library or None for each tier,
            top first; for one tier the array alone will do.
        quantizers: sequence of the tiers' quantizers.

    Raises:
        ValueError: if the number of tiers differs, every tier is None, or codes are not
            integers or, where their values are known, out of their range.
    """
    num_tiers = len(quantizers)
    if hasattr(codes, "shape") and num_tiers == 1:
        codes = (codes,)
    given = [grid for grid in codes if grid is not None]
    if len(codes) != num_tiers or not given:
        raise ValueError(
            f"expected codes of {num_tiers} tier{'s'[: num_tiers - 1]}, at least one "
            "of them not None, received "
            f"{[None if c is None else tuple(np.shape(c)) for c in codes]}"
        )
    # An image has no masked places, so that it has no code for them.
    return tuple(
        None if grid is None else check_codes(grid, layer.num_embeddings, least=0)
        for grid, layer in zip(codes, quantizers)
    )


def finest_given(codes):
    """Index of the lowest tier whose codes are not None."""
    return max(tier for tier, grid in enumerate(codes) if grid is not None)


def tiers_alone(codes):
    """For each tier, top first, the codes of all tiers with the others' as None."""
    return [
        tuple(c if i == tier else None for i, c in enumerate(codes))
        for tier in range(len(codes))
    ]


class ReconstructionError(keras.layers.Layer):
    """Hands `outputs` on and adds the mean squared error of another reconstruction.

    It gives a tier whose reconstruction is no output of the model its loss,
    mean((reconstruction - target) ** 2), which `compile("mse")` would give it.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self._losses = ReplicaLosses()
        self.built = True

    def call(self, outputs, reconstruction, target):
        reconstruction = ops.cast(reconstruction, "float32")
        self.add_loss(mean_of(ops.square(reconstruction - ops.cast(target, "float32"))))
        return outputs

    def compute_output_spec(self, outputs, reconstruction, target):
        return keras.KerasTensor(outputs.shape, dtype=outputs.dtype)

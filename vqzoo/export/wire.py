"""Formats that clients send and receive: pixels, vectors or sequences."""

import dataclasses
from collections.abc import Callable

import numpy as np

from vqzoo.images import to_images, to_uint8
from vqzoo.models import tiers

# Of an example, where its codes may have any: enough for every way through a model.
SIDE = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wire:
    """How an artifact receives and sends items of one kind.

    Args:
        items: str, their name in signatures.
        dtype: str.
        receive: function from what is sent to what models take.
        send: function from what models give to what is sent.
        examples: function of a model to items as they are sent, for tests.
        difference: function of two arrays as they are sent: an int, 1 at most between
            graphs that sum in other orders.
        unit: str, of that difference.
        grids: function of a model to the shapes of the codes of an item, a tier each;
            None for a side that may be any.
        has_files: bool, whether items are files of their own too.
    """

    items: str
    dtype: str
    receive: Callable
    send: Callable
    examples: Callable
    difference: Callable
    unit: str
    grids: Callable = tiers.grid_shapes
    has_files: bool = False


def make_images(image_shape):
    """Test images: black, white, a ramp, a checkerboard and two of noise, uint8."""
    height, width, _ = image_shape
    rows, columns = np.indices((height, width))[..., None]
    ramp = 255 * (rows + columns) // max(1, height + width - 2)
    board = 255 * ((rows // 4 + columns // 4) % 2)
    structured = [np.zeros_like(ramp), np.full_like(ramp, 255), ramp, board]
    structured = [np.broadcast_to(image, image_shape) for image in structured]
    noise = np.random.default_rng(0).integers(0, 256, (2, *image_shape))
    return np.concatenate([structured, noise]).astype(np.uint8)


def make_near_codes(model, count=64):
    """Test vectors or sequences near those of random codes, float32."""
    generator = np.random.default_rng(0)
    (layer,), (grid,) = model.quantizers, of(model).grids(model)
    shape = (count, *(side or SIDE for side in grid))
    codes = generator.integers(layer.num_embeddings, size=shape, dtype="int32")
    items = np.asarray(model.decode(codes))
    noise = generator.normal(size=items.shape)
    return (items + 0.1 * items.std() * noise).astype("float32")


def sequence_grids(model):
    """Shapes of the codes of a sequence: any time, and axes of one step."""
    item = np.zeros((1, model.stride, *model.item_shape[1:]), "float32")
    return [(None, *codes.shape[2:]) for codes in model.encode(item)]


def levels_apart(images, others):
    """Largest difference of two arrays of uint8 images."""
    return int(np.max(np.abs(images.astype(np.int32) - others.astype(np.int32))))


def thousandths_apart(vectors, others):
    """Largest difference in thousandths of the largest value, rounded up."""
    largest = max(float(np.max(np.abs(vectors))), 1e-30)
    return int(np.ceil(1000 * np.max(np.abs(vectors - others)) / largest))


def _same(values):
    return values


WIRES = {
    "image": Wire(
        items="images",
        dtype="uint8",
        receive=to_images,
        send=to_uint8,
        examples=lambda model: make_images(model.item_shape),
        difference=levels_apart,
        unit="of 255",
        has_files=True,
    ),
    "vector": Wire(
        items="vectors",
        dtype="float32",
        receive=_same,
        send=_same,
        examples=make_near_codes,
        difference=thousandths_apart,
        unit="thousandths",
    ),
    "sequence": Wire(
        items="sequences",
        dtype="float32",
        receive=_same,
        send=_same,
        examples=make_near_codes,
        difference=thousandths_apart,
        unit="thousandths",
        grids=sequence_grids,
    ),
}


def of(model):
    """The `Wire` of a model."""
    return WIRES[model.item]

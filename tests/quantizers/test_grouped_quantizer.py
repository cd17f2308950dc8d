import numpy as np
import pytest

from tests.helpers.case import Case, random_floats, small_ema
from vqzoo.layers import (
    GroupedQuantizer,
    MultiHeadQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
)

CASES = [
    Case(
        "GroupedQuantizer-residual",
        lambda: GroupedQuantizer(
            [
                ResidualQuantizer([small_ema(), small_ema()]),
                ResidualQuantizer([small_ema(), small_ema()]),
            ]
        ),
        (random_floats(3, 2, 3, 4),),
        random=True,
    ),
    Case(
        "MultiHeadQuantizer",
        lambda: MultiHeadQuantizer(small_ema(), 2),
        (random_floats(3, 2, 3, 4),),
        random=True,
    ),
]
REFUSED = [
    (lambda: GroupedQuantizer([]), "one quantizer or more"),
    (lambda: MultiHeadQuantizer(VectorQuantizer(4, 2), 0), "num_heads=0"),
]

FIRST = np.array([[0, 0], [4, 0]], "float32")
SECOND = np.array([[1, 0], [0, 1]], "float32")
# First halves are nearest to 0, 1 of FIRST; second halves to 1, 0 of SECOND.
LATENTS = np.array([[0.5, 0, 0.2, 0.9], [3, 1, 1, 0]], "float32")


def part(codebook):
    layer = VectorQuantizer(2, 2)
    layer.build((None, 2))
    layer.codebook.assign(codebook)
    return layer


def test_each_group_has_its_own_codebook():
    layer = GroupedQuantizer([part(FIRST), part(SECOND)])
    assert layer.embedding_dim == 4
    assert layer.encode(LATENTS).numpy().tolist() == [[0, 1], [1, 0]]
    assert layer(LATENTS).numpy().tolist() == [[0, 0, 0, 1], [4, 0, 1, 0]]
    assert layer.decode(np.array([[1, 1]])).numpy().tolist() == [[4, 0, 0, 1]]


def test_heads_share_one_codebook():
    layer = MultiHeadQuantizer(part(FIRST), 2)
    assert layer.embedding_dim == 4
    assert layer.encode(LATENTS).numpy().tolist() == [[0, 0], [1, 0]]
    assert layer(LATENTS).numpy().tolist() == [[0, 0, 0, 0], [4, 0, 0, 0]]
    assert layer.decode(np.array([[1, 0]])).numpy().tolist() == [[4, 0, 0, 0]]
    assert [book.tolist() for book in map(np.asarray, layer.codebooks)] == [
        FIRST.tolist()
    ]


def test_the_loss_of_a_group_is_a_mean_over_its_own_channels():
    layer = GroupedQuantizer([part(FIRST), part(SECOND)])
    layer(LATENTS)
    first, second = (0.25 + 1 + 1) / 4, (0.04 + 0.01) / 4
    expected = [first, 0.25 * first, second, 0.25 * second]
    np.testing.assert_allclose([float(x) for x in layer.losses], expected, rtol=1e-5)
    terms = layer.loss_terms(LATENTS)
    assert float(terms["commitment"]) == pytest.approx(first + second)


def test_groups_of_stages_have_two_axes_of_codes():
    groups = [ResidualQuantizer([part(FIRST), part(SECOND)]) for _ in range(2)]
    layer = GroupedQuantizer(groups)
    codes = layer.encode(LATENTS)
    assert codes.numpy().tolist() == [[[0, 0], [0, 1]], [[1, 1], [0, 0]]]
    np.testing.assert_array_equal(layer.decode(codes), layer(LATENTS))
    assert layer(LATENTS).numpy().tolist() == [[1, 0, 0, 1], [4, 1, 1, 0]]
    assert len(layer.codebooks) == 4

import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, earlier, inputs_of
from vqzoo.layers import PixelSNAILBlock

CASES = [
    Case(
        "PixelSNAILBlock",
        lambda: PixelSNAILBlock(1, 3, 3, num_heads=1, dropout=0.2, seed=1),
        (random_floats(3, 2, 3, 4),),
        random=True,
    ),
    Case(
        "PixelSNAILBlock-plain",
        lambda: PixelSNAILBlock(2, 3, 3, num_heads=0),
        (random_floats(3, 2, 3, 2),),
    ),
]


def test_with_attention_a_place_sees_all_places_before_it():
    layer = PixelSNAILBlock(1, 6, 3, num_heads=2)
    seen = dependencies(layer, inputs_of(1, 5, 7, 8))
    np.testing.assert_array_equal(seen, earlier(5, 7, itself=True))


def test_without_attention_a_place_sees_as_far_as_the_kernels():
    layer = PixelSNAILBlock(1, 6, 3, num_heads=0)
    seen = dependencies(layer, inputs_of(1, 6, 7, 8))
    assert not (seen & ~earlier(6, 7, itself=True)).any()
    assert seen[5, 3, 1, 3] and not seen[5, 3, 0, 3]
    assert seen[5, 3, 3, 5] and not seen[5, 3, 3, 6]


def test_the_place_counts_though_all_inputs_are_equal():
    layer = PixelSNAILBlock(0, 6, 3, num_heads=0)
    outputs = layer(np.ones((1, 2, 3, 4), "float32")).numpy().reshape(6, 4)
    assert len(np.unique(outputs.round(5), axis=0)) == 6


@pytest.mark.parametrize("num_heads", [0, 2])
def test_place_by_place_it_gives_the_outputs_of_the_whole(num_heads):
    layer = PixelSNAILBlock(2, 6, 3, num_heads=num_heads)
    inputs = inputs_of(2, 3, 4, 8)
    expected = layer(inputs).numpy()
    assert_steps_give(layer, layer.start(2, 4), inputs, expected)


def test_heads_that_do_not_divide_are_refused():
    layer = PixelSNAILBlock(1, 6, 3, num_heads=3)
    with pytest.raises(ValueError, match=r"num_heads=3, shape=\(1, 2, 2, 8\)"):
        layer(inputs_of(1, 2, 2, 8))

import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import dependencies, earlier, inputs_of
from vqzoo.layers import CausalSelfAttention

CASES = [
    Case(
        "CausalSelfAttention",
        lambda: CausalSelfAttention(2, 1),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "CausalSelfAttention-sees-itself",
        lambda: CausalSelfAttention(1, 2, sees_itself=True, use_bias=False),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: CausalSelfAttention(0, 4), "num_heads=0"),
    (lambda: CausalSelfAttention(4, 0), "head_dim=0"),
]


@pytest.mark.parametrize("sees_itself", [False, True])
def test_a_place_sees_all_places_before_it_and_no_other(sees_itself):
    layer = CausalSelfAttention(2, 4, sees_itself=sees_itself)
    seen = dependencies(layer, inputs_of(1, 3, 4, 5))
    queries = earlier(3, 4, itself=True) & ~earlier(3, 4, itself=False)
    expected = earlier(3, 4, sees_itself) | queries  # its own query counts too
    expected[0, 0] &= sees_itself  # the first one sees nothing
    if not sees_itself:
        expected[0, 1, 0, 1] = False  # one source: no query changes its weight of 1
    else:
        expected[0, 0, 0, 0] = True
    np.testing.assert_array_equal(seen, expected)


def test_the_outputs_are_those_of_the_formula():
    layer = CausalSelfAttention(1, 3)
    queries, sources = inputs_of(2, 2, 3, 4), inputs_of(2, 2, 3, 5)
    outputs = layer(queries, sources).numpy().reshape(2, 6, 3)
    maps = [layer.to_queries, layer.to_keys, layer.to_values]
    flat = (queries.reshape(2, 6, 4), *[sources.reshape(2, 6, 5)] * 2)
    q, k, v = (x @ m.kernel.numpy() + m.bias.numpy() for x, m in zip(flat, maps))
    assert np.array_equal(outputs[:, 0], np.zeros((2, 3)))
    for place in range(1, 6):
        scores = np.einsum("bd,bpd->bp", q[:, place], k[:, :place]) / np.sqrt(3)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = np.einsum("bp,bpd->bd", weights, v[:, :place])
        np.testing.assert_allclose(outputs[:, place], expected, atol=1e-5)


@pytest.mark.parametrize("sees_itself", [False, True])
def test_place_by_place_it_gives_the_outputs_of_the_whole(sees_itself):
    layer = CausalSelfAttention(2, 4, sees_itself=sees_itself)
    queries, sources = inputs_of(2, 3, 4, 5), inputs_of(2, 3, 4, 6)
    expected = layer(queries, sources).numpy()
    state = layer.start(2, (3, 4))
    for row in range(3):
        for column in range(4):
            if sees_itself:
                state = layer.put(state, sources[:, row, column], column)
            outputs = layer.at(state, queries[:, row, column], column)
            np.testing.assert_allclose(outputs, expected[:, row, column], atol=1e-5)
            if not sees_itself:
                state = layer.put(state, sources[:, row, column], column)
        state = layer.end_row(state)

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
    Case(
        "CausalSelfAttention-rotary",
        lambda: CausalSelfAttention(
            1, 4, sees_itself=True, rotary=True, query_key_norm=True
        ),
        (random_floats(2, 2, 3, 2),),
    ),
    Case(
        "CausalSelfAttention-tokens",
        lambda: CausalSelfAttention(1, 4, rotary=True, grids=((2, 1),), num_tokens=1),
        (random_floats(2, 1, 3, 2),),
    ),
]
REFUSED = [
    (lambda: CausalSelfAttention(0, 4), "num_heads=0"),
    (lambda: CausalSelfAttention(4, 0), "head_dim=0"),
    (lambda: CausalSelfAttention(1, 6, rotary=True), "head_dim=6"),
    (lambda: CausalSelfAttention(1, 4, window=1), "window=1"),
    (lambda: CausalSelfAttention(1, 4, num_tokens=2), "num_tokens=2, grids=None"),
    (
        lambda: CausalSelfAttention(1, 4, grids=(1, 2), num_tokens=2),
        "one grid, received num_tokens=2",
    ),
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


def test_rotary_scores_depend_on_how_far_places_are_apart():
    layer = CausalSelfAttention(1, 8, rotary=True, use_bias=False)
    layer.build((None, 4, 5, 3))
    inputs = np.random.default_rng(0).normal(size=(1, 3)).astype("float32")

    def heads(index, row, column):
        turns = layer._turns(np.float32(row), np.float32(column))
        return np.ravel(layer._heads(inputs, index, turns))

    def score(query, key):
        return heads(0, *query) @ heads(1, *key)

    apart = score((3, 1), (1, 4))
    assert score((2, 0), (0, 3)) == pytest.approx(apart, abs=1e-5)
    assert score((12, 31), (10, 34)) == pytest.approx(apart, abs=1e-5)
    assert abs(score((3, 4), (1, 4)) - apart) > 1e-3
    assert abs(score((3, 1), (3, 4)) - apart) > 1e-3
    # By hand: pairs of halves are turned, the first ones by the row.
    plain, turned = heads(0, 0, 0), heads(0, 2, 3)
    angles = np.array([2, 2 / 100, 3, 3 / 100])
    expected = np.concatenate(
        [
            plain[:4] * np.cos(angles) - plain[4:] * np.sin(angles),
            plain[:4] * np.sin(angles) + plain[4:] * np.cos(angles),
        ]
    )
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_queries_and_keys_are_normalized():
    layer = CausalSelfAttention(2, 4, query_key_norm=True)
    layer.build((None, 2, 2, 6))
    inputs = 100 * np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    for index in range(2):
        heads = np.asarray(layer._heads(inputs, index, None))
        np.testing.assert_allclose(np.mean(heads**2, axis=-1), 1, rtol=1e-3)


def test_a_window_hides_the_rows_above_it():
    layer = CausalSelfAttention(2, 4, sees_itself=True, window=2)
    seen = dependencies(layer, inputs_of(1, 4, 2, 5))
    rows = np.arange(4)
    near = rows[:, None] - rows < 2
    expected = earlier(4, 2, itself=True) & near[:, None, :, None]
    np.testing.assert_array_equal(seen, expected)


def test_places_of_one_grid_and_tokens_all_see_each_other():
    layer = CausalSelfAttention(1, 4, rotary=True, grids=((2, 3),), num_tokens=2)
    inputs = inputs_of(2, 1, 8, 5)
    assert dependencies(layer, inputs).all()
    # By hand: places are turned by their row and column, tokens are not.
    at = [*np.ndindex(2, 3), (0, 0), (0, 0)]
    turns = layer._turns(*np.transpose(at).astype("float32"))
    queries, keys = (np.asarray(layer._heads(inputs[:, 0], i, turns)) for i in range(2))
    scores = np.einsum("bqhd,bkhd->bqk", queries, keys) / 2
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    expected = weights @ layer.to_values(inputs[:, 0]).numpy()
    np.testing.assert_allclose(layer(inputs)[:, 0], expected, atol=1e-5)
    unturned = np.asarray(layer._heads(inputs[:, 0], 0, None))
    np.testing.assert_array_equal(queries[:, 6:], unturned[:, 6:])
    assert (queries[:, 1:6] != unturned[:, 1:6]).any(axis=(2, 3)).all()


def test_one_grid_as_it_is_gives_what_it_gives_as_a_row():
    layer = CausalSelfAttention(2, 4, rotary=True, grids=((2, 3),))
    inputs = inputs_of(2, 2, 3, 5)
    row = layer(inputs.reshape(2, 1, 6, 5)).numpy()
    np.testing.assert_allclose(layer(inputs), row.reshape(2, 2, 3, 8), atol=1e-6)

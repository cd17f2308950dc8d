import numpy as np
import pytest

from vqzoo.measures import identifiers

GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.normal(size=(60, 4)).astype("float32")
# A tree of halves along the axes: IDs of 4 levels whose beginnings are places.
TREE = (VECTORS > 0).astype("int32")
QUERIES = np.arange(60)


def brute(vectors, k):
    distances = np.square(vectors[:, None] - vectors).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def test_errors_of_equal_of_mean_and_of_other_vectors():
    perfect = identifiers.vector_error(VECTORS, VECTORS)
    assert perfect["relative_error"] == 0
    assert perfect["cosine"] == pytest.approx(1)
    mean = np.broadcast_to(VECTORS.mean(axis=0), VECTORS.shape)
    useless = identifiers.vector_error(VECTORS, mean)
    assert useless["relative_error"] == pytest.approx(1, rel=1e-5)
    with pytest.raises(ValueError, match=r"\(60, 4\) and \(59, 4\)"):
        identifiers.vector_error(VECTORS, VECTORS[1:])


def test_a_level_of_equal_use_has_all_bits_and_one_of_one_code_none():
    codes = np.stack([np.arange(16) % 4, np.zeros(16, int)], axis=1)
    full, empty = identifiers.levels(codes, 4)
    assert full == {"usage": 1.0, "perplexity": pytest.approx(4), "entropy": 2.0}
    assert (empty["usage"], empty["entropy"]) == (0.25, pytest.approx(0, abs=1e-6))


def test_the_nearest_items_are_those_of_all_distances():
    near = identifiers.nearest_items(VECTORS, QUERIES, 5)
    assert (np.sort(near) == np.sort(brute(VECTORS, 5))).all()


def test_recall_is_1_for_ids_that_are_the_neighborhoods():
    pairs = np.repeat(VECTORS[:6], 11, axis=0) * 100
    pairs = pairs + GENERATOR.normal(size=pairs.shape)
    codes = np.repeat(np.arange(6), 11)[:, None]
    near = identifiers.nearest_items(pairs, np.arange(66), 10)
    assert identifiers.prefix_recall(codes, np.arange(66), near) == 1.0


def test_recall_of_ids_that_say_nothing_is_chance():
    near = brute(VECTORS, 5)
    nothing = np.zeros((60, 2), int)
    recall = identifiers.prefix_recall(nothing, QUERIES, near)
    assert recall == pytest.approx(5 / 59)


def test_recall_is_the_mean_over_orders_of_ties():
    near = brute(VECTORS, 5)
    expected = []
    for _ in range(200):
        found = []
        for query in QUERIES:
            common = np.cumprod(TREE == TREE[query], axis=1).sum(axis=1)
            order = np.lexsort((GENERATOR.random(60), -common))
            order = order[order != query][:5]
            found.append(len(set(order) & set(near[query])) / 5)
        expected.append(np.mean(found))
    recall = identifiers.prefix_recall(TREE, QUERIES, near)
    assert recall == pytest.approx(np.mean(expected), abs=0.01)


def test_an_ordered_last_digit_is_seen_and_an_exchanged_one_is_not():
    line = np.linspace(0, 1, 64, dtype="float32")[:, None]
    ordered = np.stack([np.zeros(64, int), np.arange(64) // 2], axis=1)
    exchanged = ordered.copy()
    exchanged[:, 1] = GENERATOR.permutation(32)[ordered[:, 1]]
    near = identifiers.nearest_items(line, np.arange(64), 3)
    good = identifiers.last_digit_recall(ordered, np.arange(64), near)
    bad = identifiers.last_digit_recall(exchanged, np.arange(64), near)
    assert good["same_prefix"] == bad["same_prefix"] == 1.0
    assert good["within_1"] > 0.95 and good["lift_1"] > 5
    assert good["within_0"] == bad["within_0"]
    assert bad["within_1"] < 0.6

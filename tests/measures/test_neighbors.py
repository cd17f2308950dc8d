import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from vqzoo.measures.distances import memorization, nearest


def vectors(count, seed=0):
    return np.random.default_rng(seed).normal(100, 1, (count, 2, 3))


def test_neighbors_and_distances_are_those_of_scikit_learn():
    queries, known = vectors(2500), vectors(70, 1)
    search = NearestNeighbors(n_neighbors=1).fit(known.reshape(70, 6))
    expected, places = search.kneighbors(queries.reshape(2500, 6))
    distances, indices = nearest(queries, known)
    assert np.array_equal(indices, places[:, 0])
    np.testing.assert_allclose(distances, expected[:, 0], rtol=1e-4)


def test_a_known_vector_is_at_no_distance_from_itself():
    known = vectors(50)
    distances, indices = nearest(known[::-1], known)
    assert not distances.any() and indices.tolist() == list(range(50))[::-1]


def test_one_known_vector_is_nearest_to_all():
    distances, indices = nearest(np.array([[0.0, 0], [3, 4]]), np.zeros((1, 2)))
    assert distances.tolist() == [0, 5] and indices.tolist() == [0, 0]


def test_copies_are_memorized_and_new_data_is_not():
    train, held_out = vectors(300), vectors(200, 1)
    assert memorization(train[:50], train, held_out)["ratio"] == 0
    new = memorization(vectors(200, 2), train, held_out)
    assert new["ratio"] == pytest.approx(1, abs=0.1)
    assert new["ratio"] == new["samples"] / new["held_out"]
    assert memorization(vectors(50) + 100, train, held_out)["ratio"] > 10


@pytest.mark.parametrize("known", [np.zeros((0, 2)), np.zeros((3, 4))])
def test_what_cannot_be_compared_is_refused(known):
    with pytest.raises(ValueError, match=r"\(5, 2\) and"):
        nearest(np.zeros((5, 2)), known)


def test_held_out_data_that_was_trained_with_is_refused():
    with pytest.raises(ValueError, match="median distance to it is 0"):
        memorization(vectors(4), vectors(9), vectors(9))

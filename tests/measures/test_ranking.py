import numpy as np
import pytest

from vqzoo.measures import ranking


def test_figures_by_hand():
    found = ranking.figures([0, 2, 7, -1])
    assert found["recall_at_5"] == 0.5 and found["recall_at_10"] == 0.75
    assert found["ndcg_at_5"] == pytest.approx((1 + 1 / 2) / 4)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / 2 + 1 / np.log2(9)) / 4)
    perfect, useless = ranking.figures([0, 0]), ranking.figures([-1, 10])
    assert set(perfect.values()) == {1.0} and set(useless.values()) == {0.0}


def test_ranks_in_lists():
    lists = np.array([[3, 1], [2, 0], [5, -1]])
    assert ranking.ranks_in(lists, [1, 2, 4]).tolist() == [1, 0, -1]


def test_the_top_items_are_not_of_the_history():
    histories = [np.array([2]), np.array([0, 3])]
    counts = np.array([5, 1, 9, 7])
    assert ranking.top_items(counts, histories, 2).tolist() == [[3, 0], [2, 1]]
    scores = np.array([[0.1, 0.9, 2.0, 0.3], [9, 1, 2, 9]])
    assert ranking.top_items(scores, histories, 2).tolist() == [[1, 3], [2, 1]]


def test_a_factorization_of_full_rank_gives_back_who_chose_what():
    histories = [np.array([0, 1]), np.array([2]), np.array([0, 3])]
    vectors = ranking.factorize(histories, 4, rank=3)
    scores = ranking.factorized_scores(vectors, histories)
    expected = [[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    few = ranking.factorize([np.array([0, 1])] * 3 + [np.array([2, 3])], 4, rank=2)
    top = ranking.top_items(ranking.factorized_scores(few, [np.array([0])]), [[0]], 1)
    assert top.tolist() == [[1]]

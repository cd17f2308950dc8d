import numpy as np
import pytest
from scipy import stats

from vqzoo.studies.sweep_table import rank_correlations


def rows(*columns):
    names = "abcd"[: len(columns)]
    return [dict(zip(names, values)) for values in zip(*columns)]


def test_measures_that_agree_that_disagree_and_that_rank_none():
    first = [1.0, 2.0, 5.0, 9.0]
    names, matrix = rank_correlations(
        rows(first, np.exp(first), [-x for x in first], [3.0] * 4)
    )
    assert names == list("abcd")
    assert matrix[0].tolist() == pytest.approx([1, 1, -1, 0])
    assert np.array_equal(matrix, matrix.T) and np.diag(matrix).tolist() == [1] * 4


def test_the_correlations_are_those_of_scipy():
    table = np.random.default_rng(0).integers(0, 9, (12, 4))  # with ties
    _, matrix = rank_correlations(rows(*table.T))
    np.testing.assert_allclose(matrix, stats.spearmanr(table).statistic, atol=1e-12)


@pytest.mark.parametrize(
    "few", [[], rows([1.0, 2.0], [3.0, 4.0]), [{"a": 1.0}, {"a": 2.0}, {"b": 3.0}]]
)
def test_too_few_models_and_other_measures_are_refused(few):
    with pytest.raises(ValueError, match="at least 3 models, received"):
        rank_correlations(few)

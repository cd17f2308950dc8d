import numpy as np
import pytest
from scipy import stats

from vqzoo.studies import sweep_table
from vqzoo.studies.sweep_table import rank_correlations, table


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


def test_a_model_without_a_value_ranks_nothing_of_that_measure():
    first, second = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, None]
    _, matrix = rank_correlations(rows(first, second, [9.0, None, None, 3.0]))
    assert matrix[0, 1] == pytest.approx(1) and matrix[0, 2] == matrix[1, 2] == 0


def test_scores_at_their_floor_are_marked_and_correlate_with_nothing():
    def run(value, floor):
        name = "disentanglement.modularity"
        metrics = {name: value, f"{name}_floor": floor, f"{name}_floor_deviation": 0.05}
        return {"condition": f"{value}", "seed": 0, "metrics": metrics}

    text = table([run(0.7, 0.65), run(0.9, 0.65)], ["disentanglement.modularity"])
    assert "| 0.7000 (*) |" in text and "| 0.9000 |" in text


def test_runs_that_need_few_labels_are_points_over_their_score():
    def run(name, score, efficiency):
        numbers = {"factor_vae": score, "boosted_trees_efficiency": efficiency}
        metrics = {f"disentanglement.{k}": v for k, v in numbers.items()}
        return {"condition": name, "seed": 0, "metrics": metrics}

    runs = [run("a", 0.5, 0.6), run("b", 0.7, 0.8), run("b", 0.9, 0.9)]
    figure = sweep_table._efficiency(runs)
    points = [c.get_offsets().tolist() for c in figure.axes[0].collections]
    assert points == [[[0.5, 0.6]], [[0.7, 0.8], [0.9, 0.9]]]
    assert sweep_table._efficiency(runs[:2]) is None

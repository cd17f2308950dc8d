import json
import pathlib

import numpy as np
import pytest
from scipy import stats
from sklearn.tree import DecisionTreeClassifier

from vqzoo.measures import disentanglement as measures
from vqzoo.measures import factor_information as shared
from vqzoo.measures import factor_prediction

SIZES = (4, 5, 6)


def sample_factors(count, generator):
    return np.stack([generator.integers(size, size=count) for size in SIZES], axis=1)


def perfect(factors):
    """One code a factor, and one that says nothing."""
    constant = np.zeros((len(factors), 1))
    return np.concatenate([factors * [1.0, 2.0, -3.0], constant], axis=1)


def mixed(factors):
    """Every code a mixture of all factors."""
    maps = np.random.default_rng(1).normal(size=(3, 4))
    return (factors / np.array(SIZES)) @ maps


def even(factors):
    """Every code the sum of all factors, each of them as wide."""
    return (factors / (np.array(SIZES) - 1)) @ np.ones((3, 4))


def useless(factors):
    return np.random.default_rng(len(factors)).normal(size=(len(factors), 4))


def data(represent, count=2000):
    factors = sample_factors(count, np.random.default_rng(0))
    others = sample_factors(count, np.random.default_rng(1))
    return represent(factors), factors, represent(others), others


def tree():
    return DecisionTreeClassifier(random_state=0)


def test_mutual_information_and_entropy_are_those_of_the_definition():
    factors = np.array([[0], [0], [1], [1], [1], [1]])
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 0], [1, 1]])
    entropy = stats.entropy([2 / 6, 4 / 6])
    assert shared.entropies(factors)[0] == pytest.approx(entropy)
    found = shared.mutual_information(codes, factors)
    np.testing.assert_allclose(found, [[entropy], [0]], atol=1e-12)


def test_bins_are_of_equal_width():
    codes = np.array([[0.0], [0.24], [0.26], [0.74], [1.0]])
    assert shared.histogram_bins(codes, 4)[:, 0].tolist() == [1, 1, 2, 3, 4]


def test_the_gap_of_a_perfect_a_mixed_and_a_useless_code():
    gaps = [
        shared.mutual_information_gap(*data(represent)[:2])
        for represent in (perfect, mixed, useless)
    ]
    assert gaps[0] == pytest.approx(1, abs=0.02)
    assert gaps[1] < 0.3 and gaps[2] < 0.02


def test_the_gap_is_that_of_the_formula():
    codes, factors = data(mixed, 500)[:2]
    bins = shared.histogram_bins(codes)
    expected = []
    for factor in factors.T:
        information = []
        for code in bins.T:
            table = np.histogram2d(code, factor, bins=(20, factor.max() + 1))[0] / 500
            outer = table.sum(1, keepdims=True) * table.sum(0)
            seen = table > 0
            information.append((table[seen] * np.log(table[seen] / outer[seen])).sum())
        first, second = sorted(information)[::-1][:2]
        expected.append((first - second) / stats.entropy(np.bincount(factor)))
    found = shared.mutual_information_gap(codes, factors)
    assert found == pytest.approx(np.mean(expected), abs=1e-3)


def test_dci_of_importances_worked_by_hand():
    importance = np.array([[0.8, 0.0], [0.0, 0.4], [0.0, 0.4], [0.2, 0.2]])
    found = factor_prediction._concentration(importance)
    weights = importance.sum(1) / importance.sum()
    each = 1 - stats.entropy(importance.T + 1e-11, base=2)
    assert found == pytest.approx((weights * each).sum())
    each = 1 - stats.entropy(importance + 1e-11, base=4)
    weights = importance.sum(0) / importance.sum()
    assert factor_prediction._concentration(importance.T) == pytest.approx(
        (weights * each).sum()
    )
    assert factor_prediction._concentration(np.zeros((3, 2))) == pytest.approx(
        0, abs=1e-6
    )


def test_dci_of_a_perfect_and_a_useless_code():
    best = measures.dci(*data(perfect), model=tree)
    assert all(value > 0.99 for value in best.values())
    worst = measures.dci(*data(useless), model=tree)
    assert worst["disentanglement"] < 0.1 and worst["informativeness_test"] < 0.3


def test_modularity_and_explicitness():
    # The constant code knows nothing and counts 0: 3 of 4 are modular.
    assert shared.modularity(*data(perfect)[:2]) == pytest.approx(0.75, abs=0.02)
    assert shared.modularity(*data(even)[:2]) < 0.6
    assert measures.explicitness(*data(useless)) == pytest.approx(0.5, abs=0.05)
    assert measures.explicitness(*data(perfect)) > 0.7


def test_predictability_of_single_codes():
    def two_values(factors):
        return perfect(factors // np.array([2, 3, 3]))

    _, factors, _, other_factors = data(perfect)
    coarse = [f // np.array([2, 3, 3]) for f in (factors, other_factors)]
    best = measures.separated_attribute_predictability(
        two_values(factors), coarse[0], two_values(other_factors), coarse[1]
    )
    assert best > 0.3
    worst = measures.separated_attribute_predictability(*data(useless))
    assert worst < 0.05


def test_scores_of_pairs_and_of_votes():
    sizes = {"num_train": 300, "num_test": 200}
    assert measures.beta_vae_score(sample_factors, perfect, **sizes) > 0.99
    votes = measures.factor_vae_score(sample_factors, perfect, **sizes)
    assert votes == 1
    assert measures.beta_vae_score(sample_factors, useless, **sizes) < 0.6
    assert measures.factor_vae_score(sample_factors, useless, **sizes) < 0.6
    constant = measures.factor_vae_score(
        sample_factors, lambda f: np.zeros((len(f), 4)), **sizes
    )
    assert constant == 0


def test_info_mec_of_a_perfect_a_mixed_and_a_dead_code():
    best = shared.info_mec(*data(perfect)[:2])
    assert best["info_m"] > 0.95 and best["info_c"] > 0.95
    worse = shared.info_mec(*data(mixed)[:2])
    assert worse["info_m"] < 0.5
    dead = shared.info_mec(np.zeros((100, 3)), data(perfect, 100)[1])
    assert dead == {"info_m": 0.0, "info_c": 0.0, "info_e": 0.0}
    nothing = shared.info_mec(*data(useless)[:2])
    assert nothing["info_e"] < 0.05


def test_int_codes_are_not_put_into_bins():
    factors = np.arange(60)[:, None] % 30
    found = shared.mutual_information(factors, factors)
    assert found[0, 0] == pytest.approx(np.log(30))


def test_more_labels_tell_factors_better_and_useless_codes_stand_at_their_floor():
    sizes = {"counts": (10, 100, 1000, 5000), "model": tree}
    found = factor_prediction.downstream(*data(perfect), **sizes)
    kinds = ("logistic_regression", "boosted_trees")
    for kind in kinds:
        few, more, most = (found[f"{kind}_{count}"] for count in (10, 100, 1000))
        assert few < more <= most and f"{kind}_5000" not in found
        assert found[f"{kind}_efficiency"] == pytest.approx(more / most)
    assert found["boosted_trees_1000"] == 1
    worst = factor_prediction.downstream(*data(useless), **sizes)
    for name in (f"{kind}_{count}" for kind in kinds for count in (10, 100, 1000)):
        assert worst[name] < worst[f"{name}_floor"] + 0.03
    # The floor: the share of the most frequent of 4, 5 and 6 values.
    assert worst["boosted_trees_10_floor"] == pytest.approx(0.21, abs=0.02)


def test_one_value_alone_is_told_and_what_is_known_is_not_fitted_again():
    codes, factors, others, truth = data(perfect, 100)
    one = factors[:10] * 0 + 1
    found = factor_prediction.downstream(codes[:10], one, others, truth, model=tree)
    assert found["logistic_regression_10"] == pytest.approx((truth == 1).mean())
    assert "boosted_trees_efficiency" not in found
    given = factor_prediction.downstream(
        codes, factors, others, truth, model=tree, of_all=0.5
    )
    assert given["boosted_trees_100"] == 0.5 != given["boosted_trees_10"]


def test_all_scores_at_once_are_finite():
    found = measures.disentanglement_scores(
        sample_factors, perfect, num_test=500, tree_model=tree
    )
    names = [name for name in found if "_floor" not in name]
    assert len(names) == 13 + 8 and len(found) == 3 * (13 + 6) + 2
    assert all(np.isfinite(value) for value in found.values())
    assert found["mutual_information_gap"] > 0.9 and found["factor_vae"] == 1
    for name in ("mutual_information_gap", "explicitness", "factor_vae", "info_e"):
        assert measures.above_floor(found, name), name


def test_independent_codes_stand_at_the_floor_which_is_not_0():
    generator = np.random.default_rng(5)
    found = measures.disentanglement_scores(
        sample_factors,
        lambda factors: generator.normal(size=(len(factors), 8)),
        num_test=300,
        tree_model=tree,
        num_floors=8,
    )
    assert found["modularity_floor"] > 0.4 and found["info_m_floor"] > 0.05
    for name in ("modularity", "info_m", "mutual_information_gap", "factor_vae"):
        floor, spread = found[f"{name}_floor"], found[f"{name}_floor_deviation"]
        assert abs(found[name] - floor) < 5 * spread, name


def test_scores_of_stored_codes_are_those_of_the_reference_implementation():
    here = pathlib.Path(__file__).parent
    expected = json.loads((here / "reference_scores.json").read_text())
    del expected["source"]
    with np.load(here / "reference_codes.npz") as stored:
        data = dict(stored)
    sizes = (3, 6, 8, 4, 5)

    def sample(count, generator):
        return np.stack([generator.integers(n, size=count) for n in sizes], axis=1)

    def represent(factors):
        return np.tanh((factors / (np.array(sizes) - 1) - 0.5) @ data["mixing"])

    train = data["train_codes"], data["train_factors"]
    test = data["test_codes"], data["test_factors"]
    counts = {"num_train": 1000, "num_test": 500}
    found = {
        "mutual_information_gap": shared.mutual_information_gap(*train),
        **{f"dci_{k}": v for k, v in measures.dci(*train, *test).items()},
        "modularity": shared.modularity(*train),
        "explicitness": measures.explicitness(*train, *test),
        "separated_attribute_predictability": (
            measures.separated_attribute_predictability(*train, *test)
        ),
        "beta_vae": measures.beta_vae_score(sample, represent, **counts),
        "factor_vae": measures.factor_vae_score(
            sample, represent, num_variance=1000, **counts
        ),
    }
    assert found == pytest.approx(expected, abs=1e-3)

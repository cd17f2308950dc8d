import numpy as np
import pytest

from vqzoo.codec import decisions
from vqzoo.codec.decisions import decide, is_ambiguous, rounded, weights_of


def test_the_decisions_of_four_codes_by_hand():
    weights = np.array([[1.0, 2.0, 3.0, 10.0]])
    values, bits = decisions.decisions(weights, np.array([0, 1, 2, 3]))
    assert bits.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    first, left, right = 16 * np.log([13 / 3, 2 / 1, 10 / 3])
    expected = [[first, left], [first, left], [first, right], [first, right]]
    np.testing.assert_allclose(values, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 5, 16, 500])
def test_the_odds_of_a_path_are_the_share_of_its_code(size):
    weights = np.random.default_rng(0).uniform(0.1, 1, (size, size))
    codes = np.arange(size)
    values, bits = decisions.decisions(weights, codes)
    of_bits = 1 / (1 + np.exp(-values / 16 * (2 * bits - 1)))
    shares = weights[codes, codes] / weights.sum(axis=1)
    np.testing.assert_allclose(of_bits.prod(axis=1), shares, rtol=1e-12)


@pytest.mark.parametrize("size", [2, 5, 16, 500])
def test_decisions_lead_back_to_their_codes(size):
    generator = np.random.default_rng(1)
    weights = generator.uniform(0, 1, (40, size)) ** 9
    codes = generator.integers(0, size, 40)
    values, bits = decisions.decisions(weights, codes)
    pairs = iter(zip(values.T, bits.T))

    def read(received):
        expected, of_level = next(pairs)
        np.testing.assert_array_equal(received, expected)
        return of_level

    assert np.array_equal(decide(weights, 40, read), codes)


def test_one_table_serves_for_all_codes():
    table = np.array([[1.0, 2.0, 3.0, 10.0]])
    codes = np.array([3, 0, 2])
    alone, _ = decisions.decisions(table, codes)
    repeated, _ = decisions.decisions(np.repeat(table, 3, axis=0), codes)
    np.testing.assert_array_equal(alone, repeated)


def test_rounding_costs_a_code_a_thousandth_of_a_bit():
    generator = np.random.default_rng(2)
    weights = weights_of(generator.normal(0, 2, (4000, 512)))
    shares = weights / weights.sum(axis=1, keepdims=True)
    codes = (generator.random((4000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    values, bits = decisions.decisions(weights, np.minimum(codes, 511))
    signs = 2 * bits - 1
    exact = np.log1p(np.exp(-values / 16 * signs)).sum() / np.log(2)
    used = np.log1p(np.exp(-rounded(values) / 16 * signs)).sum() / np.log(2)
    assert -0.001 < (used - exact) / 4000 < 0.001


def test_extreme_logits_give_finite_weights():
    weights = weights_of([[0.0, -1e6, 1e6, 700.0]])
    assert np.isfinite(weights).all() and (weights > 0).all()
    assert weights[0, 2] == 1


def test_what_has_no_odds_is_rounded_to_something():
    steps = rounded(np.array([np.inf, -np.inf, np.nan, 3.4, -3.6]))
    assert steps.tolist() == [194, -194, 0, 3, -4]
    assert not is_ambiguous(np.array([np.inf]), steps[:1]).any()


def test_values_near_a_boundary_are_ambiguous_and_others_are_not():
    far, near = 16 * decisions.TOLERANCE * np.array([1.1, 0.9])
    values = np.array([2.5 - far, 2.5 - near, 2.5, 2.5 + near, 2.5 + far, 3.0, 400.0])
    found = is_ambiguous(values, rounded(values))
    assert found.tolist() == [False, True, True, True, False, False, False]

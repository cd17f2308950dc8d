import numpy as np
import pytest

from vqzoo.measures import distances, diversity, sliced_wasserstein


def vectors(count, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, (count, 5))


def test_equal_sets_have_no_distance_in_any_order():
    first = vectors(200)
    assert sliced_wasserstein(first, first[::-1]) == 0
    assert sliced_wasserstein(first, vectors(200, seed=1)) < 0.2


def test_a_shift_is_the_mean_length_of_its_shadow():
    # A shift of 1 along one axis of two casts |cos| of an even angle: 2 / pi.
    first = np.random.default_rng(0).normal(size=(50, 2))
    distance = sliced_wasserstein(first, first + [1, 0], num_directions=4000)
    assert distance == pytest.approx(2 / np.pi, abs=0.02)


def test_sets_of_unlike_sizes_are_compared():
    assert sliced_wasserstein(vectors(300), vectors(200, mean=3)) > 1
    assert sliced_wasserstein(vectors(301), vectors(3000, seed=1)) < 0.2
    drawn, levels = vectors(301), (np.arange(50) + 0.5) / 50
    found = distances._quantiles(drawn, levels)
    np.testing.assert_allclose(found, np.quantile(drawn, levels, axis=0), atol=1e-6)
    assert len(distances._quantiles(drawn[:1], levels)) == 50


@pytest.mark.parametrize("other", [np.zeros((0, 5)), np.zeros((3, 4))])
def test_what_cannot_be_compared_is_refused(other):
    with pytest.raises(ValueError, match=r"\(3, 5\)"):
        sliced_wasserstein(vectors(3), other)


def test_the_nearest_other_sample_sees_repeats_that_mean_distances_do_not():
    corners = np.array([[0.0, 0], [3, 4], [0, 9]])
    expected = (5 + 5 + np.hypot(3, 5)) / 3
    assert distances.nearest_other(corners) == pytest.approx(expected, rel=1e-5)
    once = np.random.default_rng(0).normal(size=(16, 2, 2))
    repeated = np.repeat(once, 16, axis=0)
    assert distances.nearest_other(repeated) < 1e-6
    assert diversity(repeated) / diversity(once) > 0.9
    with pytest.raises(ValueError, match="received 1"):
        distances.nearest_other(np.ones((1, 2)))


def test_diversity_of_equal_of_two_and_of_one():
    assert diversity(np.ones((4, 2, 2))) == 0
    assert diversity(np.array([[0.0, 0], [3, 4]])) == pytest.approx(5)
    with pytest.raises(ValueError, match="received 1"):
        diversity(np.ones((1, 2)))

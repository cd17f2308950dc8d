import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from vqzoo.measures.latents import main_axes, neighborhood_map


def two_groups(count=60):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, 8)) + 20 * (np.arange(count) % 2)[:, None]


def test_the_main_axes_are_those_of_scikit_learn():
    features = np.random.default_rng(0).normal(size=(40, 6)) * [9, 5, 1, 1, 1, 1]
    points, shares = main_axes(features)
    expected = PCA(2)
    np.testing.assert_allclose(
        np.abs(points), np.abs(expected.fit_transform(features)), atol=1e-3
    )
    np.testing.assert_allclose(shares, expected.explained_variance_ratio_, atol=1e-5)


def test_axes_that_do_not_exist_are_empty():
    points, shares = main_axes(np.arange(5.0)[:, None])
    assert points.shape == (5, 2) and not points[:, 1].any()
    assert shares.tolist() == [pytest.approx(1), 0]
    points, shares = main_axes(np.ones((4, 3, 2)))
    assert not points.any() and shares.tolist() == [0, 0]
    with pytest.raises(ValueError, match="two rows, received 1"):
        main_axes(np.ones((1, 3)))


def test_groups_stay_together_on_the_map():
    places = neighborhood_map(two_groups())
    near = NearestNeighbors(n_neighbors=5).fit(places).kneighbors()[1]
    same = near % 2 == (np.arange(60) % 2)[:, None]
    assert same.mean() > 0.95


def test_equal_and_few_features_have_a_map():
    assert np.isfinite(neighborhood_map(np.ones((8, 4)))).all()
    assert neighborhood_map(two_groups(5)).shape == (5, 2)
    with pytest.raises(ValueError, match="at least 5 rows, received 4"):
        neighborhood_map(two_groups(4))

import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import InputNormalization


def adapted(mode, dim=3):
    layer = InputNormalization(mode)
    layer.adapt(VECTORS[:, :dim])
    return layer


VECTORS = random_floats(64, 3) @ np.array(
    [[2, 1, 0], [0, 1, 0], [0, 0, 0]], "float32"
) + np.array([1, 2, 3], "float32")
CASES = [
    Case(
        f"InputNormalization-{mode}",
        lambda mode=mode: adapted(mode),
        (VECTORS[:4],),
    )
    for mode in ("center", "standard", "whitening")
]
REFUSED = [
    (lambda: InputNormalization("unit"), "mode='unit'"),
    (lambda: InputNormalization().adapt(np.ones((4, 3))), "different vectors"),
]


def normalized(mode):
    return ops.convert_to_numpy(adapted(mode)(VECTORS))


@pytest.mark.parametrize("mode", ["center", "standard", "whitening"])
def test_the_mean_is_zero_and_the_inverse_gives_the_vectors_back(mode):
    values = normalized(mode)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    back = ops.convert_to_numpy(adapted(mode).inverse(values))
    np.testing.assert_allclose(back, VECTORS, atol=1e-4)


def test_one_scale_keeps_the_ratio_of_distances_and_the_mean_variance_is_one():
    values = normalized("center")
    assert values.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    given = np.linalg.norm(VECTORS - VECTORS[0], axis=1)[1:]
    distances = np.linalg.norm(values - values[0], axis=1)[1:]
    np.testing.assert_allclose(distances / given, distances[0] / given[0], rtol=1e-4)


def test_each_column_has_variance_one_but_constant_ones():
    np.testing.assert_allclose(normalized("standard").var(axis=0), [1, 1, 0], atol=1e-5)


def test_whitened_columns_are_not_correlated():
    covariance = np.cov(normalized("whitening")[:, :2].T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(2), atol=1e-3)
    # The direction that nothing varies in is not blown up.
    np.testing.assert_allclose(normalized("whitening")[:, 2], 0, atol=1e-5)

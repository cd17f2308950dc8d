import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import OneHotEncoder

from vqzoo.measures.representation import REPRESENTATIONS, on_main_axes, represent

GENERATOR = np.random.default_rng(0)
CODES = GENERATOR.integers(0, 5, (7, 2, 3))
CODEBOOK = GENERATOR.normal(size=(5, 4)).astype("float32")


def test_indices_are_the_numbers_in_raster_order():
    found = represent(CODES, "indices")
    assert found.dtype == np.int64 and found.shape == (7, 6)
    assert found[3].tolist() == [*CODES[3, 0], *CODES[3, 1]]


def test_sorted_indices_are_places_along_the_main_axis_of_the_codebook():
    found = represent(CODES, "sorted_indices", codebook=CODEBOOK)
    along = PCA(1).fit_transform(CODEBOOK)[:, 0]
    places = np.argsort(np.argsort(along))
    expected = [places, len(places) - 1 - places]  # an axis has two directions
    assert any(np.array_equal(found, e[CODES].reshape(7, 6)) for e in expected)


def test_zeros_and_ones_are_those_of_scikit_learn():
    encoder = OneHotEncoder(categories=[range(5)] * 6)
    expected = encoder.fit_transform(CODES.reshape(7, 6)).toarray()
    found = represent(CODES, "one_hot", num_embeddings=5)
    assert np.array_equal(found.toarray(), expected)
    assert found.nnz == 7 * 6


def test_vectors_are_rows_of_the_codebook():
    found = represent(CODES, "vectors", codebook=CODEBOOK)
    np.testing.assert_array_equal(found.reshape(7, 2, 3, 4), CODEBOOK[CODES])
    mean = represent(CODES, "mean_vector", codebook=CODEBOOK)
    np.testing.assert_allclose(mean, CODEBOOK[CODES].mean(axis=(1, 2)), atol=1e-6)


def test_histograms_are_shares_and_forget_places():
    found = represent(CODES, "histogram", num_embeddings=5)
    for row, codes in zip(found, CODES):
        counts = np.bincount(codes.ravel(), minlength=5)
        np.testing.assert_allclose(row, counts / 6)
    swapped = represent(CODES[:, ::-1], "histogram", num_embeddings=5)
    np.testing.assert_array_equal(found, swapped)


def test_one_image_of_one_code_has_every_representation():
    for name in REPRESENTATIONS:
        found = represent(
            np.zeros((1, 1, 1), int), name, num_embeddings=1, codebook=np.ones((1, 2))
        )
        assert found.shape[0] == 1 and np.isfinite(np.asarray(found.sum())).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("index", "representation='index'"),
        ("one_hot", "num_embeddings=None"),
        ("mean_vector", "codebook=None"),
    ],
)
def test_what_cannot_be_made_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        represent(CODES, name)


def test_the_main_axes_are_those_of_scikit_learn_and_keep_distances():
    codebook = GENERATOR.normal(size=(50, 6)) * [5, 3, 1, 0.1, 0.01, 0.001]
    expected = PCA(0.99).fit_transform(codebook)
    found = on_main_axes(codebook)
    assert found.shape == expected.shape
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    whole = on_main_axes(codebook, 1.0)
    distances = np.linalg.norm(codebook[0] - codebook, axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(whole[0] - whole, axis=1), distances, atol=1e-4
    )


def test_equal_codes_lie_at_one_point_of_one_axis():
    assert on_main_axes(np.ones((4, 3))).tolist() == [[0]] * 4

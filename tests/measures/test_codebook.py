import numpy as np
import pytest
from scipy import stats

from vqzoo import plots
from vqzoo.measures.codebook import (
    code_maps,
    codebook_ordering,
    codebook_usage,
    gray_maps,
    index_rank_correlation,
)


def test_equal_use_is_perfect():
    codes = np.arange(64).reshape(1, 8, 8) % 16
    expected = {"usage": 1, "perplexity": pytest.approx(16), "dead_codes": 0}
    assert codebook_usage(codes, 16) == expected


def test_one_code_is_useless():
    expected = {"usage": 1 / 16, "perplexity": pytest.approx(1), "dead_codes": 15}
    assert codebook_usage(np.full((2, 8, 8), 3), 16) == expected


def test_a_codebook_of_one_code_is_all_in_use():
    expected = {"usage": 1, "perplexity": pytest.approx(1), "dead_codes": 0}
    assert codebook_usage(np.zeros((2, 3), "int32"), 1) == expected


def test_codes_on_a_line_are_ordered():
    codebook = np.arange(300.0)[:, None] * np.array([[1.0, -2.0]])
    # Neighbors are 1 apart, random pairs a third of the length: 3 / 300.
    assert codebook_ordering(codebook) == pytest.approx(0.01, rel=0.03)


def test_random_codes_have_no_order():
    codebook = np.random.default_rng(0).normal(size=(512, 64))
    assert codebook_ordering(codebook) == pytest.approx(1, abs=0.02)


def test_codes_that_alternate_are_worse_than_random():
    codebook = np.array([[0.0], [1.0]] * 50)
    assert codebook_ordering(codebook) == pytest.approx(99 / 50, rel=0.03)


def test_the_scale_of_the_codes_does_not_matter():
    codebook = np.cumsum(np.random.default_rng(0).normal(size=(100, 3)), axis=0)
    ratio = codebook_ordering(codebook)
    assert codebook_ordering(1000 * codebook + 5) == pytest.approx(ratio)
    assert 0 < ratio < 0.5


def test_two_codes_are_as_far_as_a_random_pair():
    assert codebook_ordering(np.array([[0.0], [3.0]])) == pytest.approx(1)


def test_equal_codes_have_no_order():
    assert codebook_ordering(np.ones((8, 3))) == 1
    assert codebook_ordering(np.ones((1, 3))) == 1


def test_codes_with_an_axis_of_indices_are_measured_index_by_index():
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 0]])  # all of 4, and one of 4
    found = codebook_usage(codes, 4, code_axes=1)
    assert found["usage"] == pytest.approx((1 + 0.25) / 2)
    assert found["perplexity"] == pytest.approx((4 + 1) / 2)
    assert found["dead_codes"] == pytest.approx((0 + 3) / 2)


def test_the_rank_correlation_of_a_line_of_noise_and_of_equal_codes():
    line = np.arange(100.0)[:, None] * [[3.0, -1.0]]
    assert index_rank_correlation(line) == pytest.approx(1)
    # A path that bends is ordered all the same: distances grow with the indices.
    assert index_rank_correlation(line**2) > 0.8
    noise = np.random.default_rng(0).normal(size=(300, 16))
    assert index_rank_correlation(noise) == pytest.approx(0, abs=0.03)
    assert index_rank_correlation(np.ones((9, 4))) == 0


def test_the_rank_correlation_is_that_of_its_definition():
    codebook = np.random.default_rng(1).normal(size=(40, 3)).cumsum(axis=0)
    first, second = np.triu_indices(40, 1)
    distance = np.linalg.norm(codebook[first] - codebook[second], axis=1)
    expected = stats.spearmanr(second - first, distance).statistic
    assert index_rank_correlation(codebook) == pytest.approx(expected)
    some = index_rank_correlation(codebook.repeat(60, axis=0), max_codes=500)
    assert some == pytest.approx(expected, abs=0.1)


def test_two_codes_have_no_rank_correlation():
    with pytest.raises(ValueError, match="at least 3 codes, received 2"):
        index_rank_correlation(np.ones((2, 4)))


def test_code_maps_of_each_tier_comes_with_its_codebook():
    class Layer:
        def __init__(self, books, axes):
            self.codebooks, self.code_axes = books, axes
            self.num_embeddings = len(books[0])

    class Model:
        tier_names = ("top", "bottom")
        quantizers = (
            Layer((np.ones((4, 2)),), 0),
            Layer((np.zeros((8, 3)), np.ones((8, 3))), 1),
        )

    codes = np.zeros((5, 2, 2), int), np.arange(5 * 4 * 4 * 6).reshape(5, 4, 4, 6)
    found = list(code_maps(Model, codes, 3))
    assert [name for name, *_ in found] == ["top", "bottom 1", "bottom 2", "bottom 3"]
    assert [book.mean() for _, book, *_ in found] == [1, 0, 1, 0]
    assert [size for *_, size, _ in found] == [4, 8, 8, 8]
    assert [indices.shape[1:] for *_, indices in found] == [(2, 2)] + [(4, 4)] * 3
    np.testing.assert_array_equal(found[2][3], codes[1][..., 1])


def test_code_maps_stand_below_their_images_from_black_to_white():
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 4, 4, 3))
    top = np.arange(4 * 4).reshape(4, 2, 2)
    bottom = np.arange(4 * 16).reshape(4, 4, 4)
    figure = plots.strips(
        gray_maps(images, [("top", 16, top), ("bottom 1", 64, bottom)]), columns=2
    )
    shown = [axis.images[0].get_array() for axis in figure.axes]
    assert len(shown) == 3 * 2
    for column in range(2):
        np.testing.assert_allclose(shown[column], images[column] + 0.5)
        np.testing.assert_allclose(shown[2 + column] * 15, top[column], atol=1e-6)
        np.testing.assert_allclose(shown[4 + column] * 63, bottom[column], atol=1e-6)
    assert figure.axes[2].images[0].get_clim() == (0, 1)
    labels = [figure.axes[2 * row].get_ylabel() for row in range(3)]
    assert labels == ["image", "top", "bottom\n1"]
    assert all(len(axis.get_xticks()) == 0 for axis in figure.axes)

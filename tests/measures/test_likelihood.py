import numpy as np
import pytest

from vqzoo.measures import prior_figures, unigram_bits
from vqzoo.measures.likelihood import bits_per_dimension, dequantized


class Prior:
    """A prior that gives what it is told for so many places and labels."""

    def __init__(self, *parts):
        self.parts = parts

    def condition(self, labels, above):
        return {"label": labels, "context": above}

    def log_likelihoods(self, grids, condition):
        labels = condition["label"]
        assert len(labels) == len(grids) <= 256
        return tuple(part(labels) for part in self.parts)


def bits_of(nats):
    codes = np.random.default_rng(0).integers(0, 8, (10, 2, 3))
    figures = prior_figures(Prior(lambda n: np.full(len(n), -nats)), codes, None, [])
    assert list(figures) == ["bits_per_code"]
    return figures["bits_per_code"]


def test_a_perfect_a_useless_and_a_wrong_prior():
    assert bits_of(0) == 0
    assert bits_of(6 * np.log(8)) == pytest.approx(3)
    assert bits_of(6 * np.log(64)) == pytest.approx(6)


def test_conditions_are_cut_as_the_codes_are():
    codes, labels = np.zeros((500, 1, 1), int), np.arange(500)
    prior = Prior(lambda labels: -labels * np.log(2))
    figures = prior_figures(prior, codes, labels, [])
    assert figures["bits_per_code"] == pytest.approx(249.5)


def test_numbers_beside_codes_have_nats_of_their_own():
    grids = np.zeros((4, 2, 2, 3), "float32")  # 4 places with 2 numbers each
    prior = Prior(lambda n: -8 * np.log(2) + 0 * n, lambda n: 2.0 + 0 * n)
    figures = prior_figures(prior, grids, np.zeros(4), [])
    assert figures["bits_per_code"] == pytest.approx(2)
    assert figures["nats_per_place"] == pytest.approx(2 * np.log(2) - 0.5)


def test_frequencies_of_equal_codes_and_of_one_code():
    even = np.arange(4000) % 8
    assert unigram_bits(even, even[:8], 8) == pytest.approx(3)
    one = np.zeros(10**6, int)
    assert unigram_bits(one, one[:5], 8) == pytest.approx(0, abs=1e-4)
    assert unigram_bits(one, one[:5] + 1, 8) > 15  # never seen, and not impossible


def test_no_codes_are_an_error():
    with pytest.raises(ValueError, match="received 0"):
        prior_figures(Prior(), np.zeros((0, 2, 2), int), None, [])


def test_bits_per_dimension_of_a_known_density():
    values = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3))
    images = (values / 255 - 0.5).astype("float32")
    continuous = dequantized(images)
    assert np.array_equal(np.round((continuous + 0.5) * 255), values)
    assert (continuous - images).std() == pytest.approx(1 / 255 / np.sqrt(12), rel=0.1)
    # A density that is 1 over all 256 steps of 1/255 has all of them equally likely.
    elbo = np.full(4, images[0].size * np.log(255 / 256))
    assert bits_per_dimension(elbo, images[0].size) == pytest.approx(8)

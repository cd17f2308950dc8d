import numpy as np
import pytest

from vqzoo.measures import bits_per_code, unigram_bits
from vqzoo.measures.likelihood import bits_per_dimension, dequantized


def test_a_perfect_a_useless_and_a_wrong_prior():
    codes = np.random.default_rng(0).integers(0, 8, (10, 2, 3))
    assert bits_per_code(lambda c: np.zeros(len(c)), codes) == 0
    uniform = bits_per_code(lambda c: np.full(len(c), -6 * np.log(8)), codes)
    assert uniform == pytest.approx(3)
    wrong = bits_per_code(lambda c: np.full(len(c), -6 * np.log(64)), codes)
    assert wrong == pytest.approx(6)


def test_conditions_are_cut_as_the_codes_are():
    codes, labels = np.zeros((5, 1, 1), int), np.arange(5)

    def log_prob(codes, labels):
        assert len(codes) == len(labels) <= 2
        return -labels * np.log(2)

    assert bits_per_code(log_prob, codes, labels, batch_size=2) == pytest.approx(2)


def test_frequencies_of_equal_codes_and_of_one_code():
    even = np.arange(4000) % 8
    assert unigram_bits(even, even[:8], 8) == pytest.approx(3)
    one = np.zeros(10**6, int)
    assert unigram_bits(one, one[:5], 8) == pytest.approx(0, abs=1e-4)
    assert unigram_bits(one, one[:5] + 1, 8) > 15  # never seen, and not impossible


def test_no_codes_are_an_error():
    with pytest.raises(ValueError, match="received 0"):
        bits_per_code(lambda c: c, np.zeros((0, 2, 2), int))


def test_bits_per_dimension_of_a_known_density():
    values = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3))
    images = (values / 255 - 0.5).astype("float32")
    continuous = dequantized(images)
    assert np.array_equal(np.round((continuous + 0.5) * 255), values)
    assert (continuous - images).std() == pytest.approx(1 / 255 / np.sqrt(12), rel=0.1)
    # A density that is 1 over all 256 steps of 1/255 has all of them equally likely.
    elbo = np.full(4, images[0].size * np.log(255 / 256))
    assert bits_per_dimension(elbo, images[0].size) == pytest.approx(8)

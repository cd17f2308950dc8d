import numpy as np
import pytest

from vqzoo.measures.latent_maps import _derangement, label_information, shuffled_tiers

GENERATOR = np.random.default_rng(0)
TOP = GENERATOR.integers(0, 8, (20, 2, 2))
BOTTOM = GENERATOR.integers(0, 8, (20, 4, 4))


def decode_bottom(codes):
    """An image of the bottom codes alone: the top is bypassed."""
    return np.repeat(codes[1][..., None] / 7.0 - 0.5, 3, axis=-1).astype("float32")


def decode_both(codes):
    top = codes[0].repeat(2, axis=1).repeat(2, axis=2)
    gray = (top + codes[1]) / 14.0 - 0.5
    return np.repeat(gray[..., None], 3, axis=-1).astype("float32")


def test_a_tier_that_the_decoder_ignores_is_bypassed():
    codes = (TOP, BOTTOM)
    found = shuffled_tiers(
        decode_bottom, codes, decode_bottom(codes), ("top", "bottom")
    )
    assert found["top_shuffled_loss"] == 0 and found["top_bypassed"] == 1
    assert found["bottom_shuffled_loss"] > 10 and found["bottom_bypassed"] == 0


def test_tiers_that_both_count_both_cost():
    codes = (TOP, BOTTOM)
    found = shuffled_tiers(decode_both, codes, decode_both(codes), ("top", "bottom"))
    assert found["top_bypassed"] == found["bottom_bypassed"] == 0


def test_no_image_keeps_its_codes():
    for count in (2, 3, 10, 101):
        order = _derangement(count, count)
        assert sorted(order) == list(range(count))
        assert (order != np.arange(count)).all()


def test_information_of_indices_that_are_the_label_and_of_those_that_are_not():
    labels = np.arange(4000) % 4
    same = np.tile(labels[:, None, None], (1, 2, 2))
    assert label_information(same, labels) == pytest.approx(2, abs=0.02)
    nothing = np.random.default_rng(1).integers(0, 8, (4000, 2, 2))
    assert label_information(nothing, labels) == pytest.approx(0, abs=0.01)


def test_one_image_cannot_be_shuffled():
    codes = (TOP[:1], BOTTOM[:1])
    with pytest.raises(ValueError, match="received 1"):
        shuffled_tiers(decode_both, codes, decode_both(codes), ("top", "bottom"))

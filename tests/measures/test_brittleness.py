import numpy as np
import pytest

from vqzoo.measures.brittleness import brittleness, perturb

CODES = np.random.default_rng(0).integers(0, 32, (6, 4, 4)).astype("int32")


def decode_smooth(codes):
    """Neighboring indices are neighboring grays."""
    return np.repeat((codes[0][..., None] / 31.0 - 0.5), 3, axis=-1).astype("float32")


def test_a_share_of_the_indices_moves_by_the_distance():
    codes = np.full((50, 10, 10), 16)
    moved = perturb(codes, 32, 0.3, 5)
    assert set(np.unique(moved)) == {11, 16, 21}
    assert np.mean(moved != 16) == pytest.approx(0.3, abs=0.03)
    assert np.mean(moved[moved != 16] == 21) == pytest.approx(0.5, abs=0.05)


def test_indices_stay_in_the_codebook():
    codes = np.array([[[0, 1, 30, 31]]])
    moved = perturb(np.repeat(codes, 40, axis=0), 32, 1.0, 3)
    assert set(moved[:, 0, 0]) == {3} and set(moved[:, 0, 3]) == {28}
    assert perturb(np.array([[[1]]]), 3, 1.0, 50).item() in (0, 2)


def test_nothing_changes_at_a_share_or_distance_of_zero():
    assert np.array_equal(perturb(CODES, 32, 0.0, 9), CODES)
    assert np.array_equal(perturb(CODES, 32, 1.0, 0), CODES)


def test_the_further_and_the_more_the_worse_in_an_ordered_codebook():
    rows = brittleness(
        decode_smooth, (CODES,), 32, tier=0, shares=(0.5, 1.0), distances=(1, 4)
    )
    psnr = {(row["share"], row["distance"]): row["psnr"] for row in rows}
    assert psnr[0.5, 1] > psnr[1.0, 1] > psnr[1.0, 4]
    # Every gray is off by 4 levels of 31.
    assert psnr[1.0, 4] == pytest.approx(-20 * np.log10(4 / 31), abs=0.01)


def test_a_classifier_of_what_does_not_change_agrees_always():
    def classify(images):
        return np.arange(len(images))

    (row,) = brittleness(
        decode_smooth,
        (CODES,),
        32,
        tier=0,
        shares=(1.0,),
        distances=(9,),
        classify=classify,
    )
    assert row["agreement"] == 1

    def threshold(images):
        return (images.mean(axis=(1, 2, 3)) > images.mean()).astype(int)

    (row,) = brittleness(
        decode_smooth,
        (CODES,),
        32,
        tier=0,
        shares=(1.0,),
        distances=(15,),
        classify=threshold,
    )
    assert row["agreement"] < 1


def test_a_classifier_that_names_no_class_agrees_with_nothing():
    def classify(images):
        return np.where(np.arange(len(images)) < 2, 1, -1)

    options = {"tier": 0, "shares": (1.0,), "distances": (9,), "classify": classify}
    (row,) = brittleness(decode_smooth, (CODES,), 32, **options)
    assert row["agreement"] == pytest.approx(2 / 6)


@pytest.mark.parametrize(("share", "distance"), [(1.5, 1), (-0.1, 1), (0.5, -1)])
def test_what_cannot_be_is_refused(share, distance):
    with pytest.raises(ValueError, match="received"):
        perturb(CODES, 32, share, distance)

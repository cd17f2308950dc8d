import numpy as np
import pytest

from vqzoo.measures.latents import walk_indices, walk_values


def gray(codes):
    return codes[0][..., None] / 15.0 - 0.5


def test_indices_walk_together_and_stop_at_the_ends():
    codes = np.array([[[0, 7], [8, 15]]])
    images, offsets = walk_indices(gray, (codes,), 16, 0, num_steps=5)
    assert offsets.tolist() == [-4, -2, 0, 2, 4]
    assert images.shape == (1, 5, 2, 2, 1)
    found = np.rint((images[0, :, :, :, 0] + 0.5) * 15).astype(int)
    assert found[2].tolist() == [[0, 7], [8, 15]]
    assert found[0].tolist() == [[0, 3], [4, 11]]
    assert found[4].tolist() == [[4, 11], [12, 15]]


def test_other_tiers_stay_as_they_are():
    codes = (np.full((1, 2, 2), 8), np.full((1, 4, 4), 3))

    def decode(given):
        assert (given[1] == 3).all()
        return gray(given)

    images, _ = walk_indices(decode, codes, 16, 0, num_steps=3)
    assert len(np.unique(images)) == 3


def test_a_codebook_of_one_code_has_nowhere_to_go():
    images, offsets = walk_indices(gray, (np.zeros((2, 2, 2), int),), 1, 0)
    assert not offsets.any() and np.ptp(images) == 0


def test_one_number_walks_by_its_own_spread():
    latents = np.random.default_rng(0).normal(0, [1.0, 0.1, 0.0], (500, 3))
    images, offsets = walk_values(
        lambda z: z[0][:, :, None, None] / 10, latents, (0, 1, 2), num_steps=3
    )
    assert offsets.tolist() == [-2, 0, 2]
    assert images.shape == (3, 3, 3, 1, 1)
    moved = images[..., 0, 0] - images[:, 1:2, :, 0, 0]
    for row, spread in enumerate(latents.std(axis=0)):
        expected = np.zeros((3, 3))
        expected[:, row] = np.array([-2, 0, 2]) * spread / 10
        np.testing.assert_allclose(moved[row], expected, atol=1e-12)


def test_what_cannot_be_walked_is_refused():
    with pytest.raises(ValueError, match="num_steps=4"):
        walk_indices(gray, (np.zeros((1, 1, 1), int),), 8, 0, num_steps=4)
    with pytest.raises(ValueError, match="below 2, received"):
        walk_values(gray, np.zeros((3, 2)), (2,))

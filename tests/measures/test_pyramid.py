import numpy as np
import pytest
from scipy import ndimage

from vqzoo.measures.distances import laplacian_pyramid, laplacian_sliced_wasserstein

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, :, :, None] / 256.0


def images(count, side=32, seed=0):
    generator = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(
        generator.normal(size=(count, side, side, 3)), (0, 2, 2, 0)
    )
    return np.clip(smooth, -0.5, 0.5).astype("float32")


def original(batch, num_levels):
    """The pyramid of the paper, with two-dimensional filters."""
    levels = [batch.astype("float64")]
    for _ in range(1, num_levels):
        blurred = ndimage.convolve(levels[-1], KERNEL, mode="mirror")
        levels.append(blurred[:, ::2, ::2])
        wide = np.zeros_like(levels[-2])
        wide[:, ::2, ::2] = levels[-1]
        levels[-2] = levels[-2] - ndimage.convolve(wide, 4 * KERNEL, mode="mirror")
    return levels


@pytest.mark.parametrize(("side", "sides"), [(16, [16]), (64, [64, 32, 16])])
def test_the_pyramid_is_that_of_the_paper(side, sides):
    batch = images(3, side)
    levels = laplacian_pyramid(batch)
    assert [each.shape[1] for each in levels] == sides
    for found, expected in zip(levels, original(batch, len(sides)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sides_that_cannot_be_halved_end_the_pyramid():
    assert [each.shape[1] for each in laplacian_pyramid(images(1, 34))] == [34, 17]


def test_equal_sets_have_no_distance_and_real_ones_little():
    first = images(64)
    assert set(laplacian_sliced_wasserstein(first, first).values()) == {0}
    floor = laplacian_sliced_wasserstein(first, images(64, seed=1))
    assert list(floor) == ["swd_32", "swd_16", "swd_mean"]
    assert floor["swd_mean"] == pytest.approx((floor["swd_32"] + floor["swd_16"]) / 2)
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (64, 32, 32, 3))
    far = laplacian_sliced_wasserstein(first, noise.astype("float32"))
    assert far["swd_mean"] > 2 * floor["swd_mean"] > 0


def test_noise_on_a_level_shows_at_that_level():
    first = images(64)
    noise = 0.02 * np.random.default_rng(0).normal(size=first.shape)
    found = laplacian_sliced_wasserstein(first, (first + noise).astype("float32"))
    assert found["swd_32"] > 2 * found["swd_16"]


def test_flat_images_give_finite_numbers():
    flat = np.zeros((4, 16, 16, 1), "float32")
    found = laplacian_sliced_wasserstein(flat, flat + 0.3)
    assert found == {"swd_16": 0, "swd_mean": 0}
    assert laplacian_sliced_wasserstein(images(4, 16)[..., :1], flat)["swd_16"] > 0


def test_images_that_are_too_small_or_unlike_are_refused():
    with pytest.raises(ValueError, match="at least 16, received .*8, 8"):
        laplacian_pyramid(np.zeros((1, 8, 8, 1)))
    with pytest.raises(ValueError, match="images of one shape"):
        laplacian_sliced_wasserstein(images(2), images(2, 16))

"""The sliced Wasserstein distance of images, scale by scale of a Laplacian pyramid."""

import numpy as np

from vqzoo.measures.distances import sliced_wasserstein

SMALLEST = 16  # pixels, side of the coarsest level
PATCH = 7  # pixels, side of a descriptor
_FILTER = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def laplacian_pyramid(images):
    """What each level adds to the next coarser one, the finest first.

    Args:
        images: float `(N, H, W, C)`, sides of at least 16 that can be halved.

    Returns:
        list of float arrays: the sides halve from level to level down to 16 pixels, and
        the last one is the rest.

    Raises:
        ValueError: if a side is below 16 pixels.
    """
    if min(images.shape[1:3]) < SMALLEST:
        raise ValueError(
            f"expected images with sides of at least {SMALLEST}, received "
            f"shape={images.shape}"
        )
    levels = [np.asarray(images, "float32")]
    while all(n % 2 == 0 and n // 2 >= SMALLEST for n in levels[-1].shape[1:3]):
        coarse = _blurred(levels[-1])[:, ::2, ::2]
        levels[-1] = levels[-1] - _twice(coarse)
        levels.append(coarse)
    return levels


def laplacian_sliced_wasserstein(
    first, second, *, patches_per_image=64, num_directions=512, seed=0
):
    """Sliced Wasserstein distance of patches of each level.

    Patches of 7 x 7 pixels at random places, each channel normalized over its set by
    mean and standard deviation.

    Args:
        first: float `(N, H, W, C)`.
        second: float `(M, H, W, C)`.
        patches_per_image: int.
        num_directions: int.
        seed: int, of the places and the directions.

    Returns:
        dict: `swd_<side>`, the distance of the level of that side times 1000, from the
        finest to the coarsest, and `swd_mean`. 0 for equal sets; what sets of real
        images have is the floor to compare with.

    Raises:
        ValueError: if a side is below 16 pixels or the shapes differ.

    Source: Karras et al. 2018, arXiv 1710.10196, section 5. Differs: fewer patches of
        an image by default (128 in the paper).
    """
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"expected images of one shape, received {first.shape} and {second.shape}"
        )
    pyramids = [laplacian_pyramid(each) for each in (first, second)]
    found = {}
    for levels in zip(*pyramids):
        sets = [_patches(each, patches_per_image, seed) for each in levels]
        distance = sliced_wasserstein(*sets, num_directions, seed)
        found[f"swd_{levels[0].shape[1]}"] = 1000 * distance
    return found | {"swd_mean": float(np.mean(list(found.values())))}


def _blurred(images):
    from scipy.ndimage import convolve1d

    once = convolve1d(images, _FILTER, axis=1, mode="mirror")
    return convolve1d(once, _FILTER, axis=2, mode="mirror")


def _twice(images):
    """Images of twice the sides: zeros between the pixels, then blurred."""
    count, height, width, channels = images.shape
    wide = np.zeros((count, 2 * height, 2 * width, channels), images.dtype)
    wide[:, ::2, ::2] = 4 * images
    return _blurred(wide)


def _patches(images, per_image, seed):
    """Normalized patches at random places: float32 `(N * per_image, 7 * 7 * C)`."""
    generator = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), (1, 2))
    rows, columns = (
        generator.integers(size, size=(len(images), per_image))
        for size in windows.shape[1:3]
    )
    patches = windows[np.arange(len(images))[:, None], rows, columns]
    patches = patches.reshape(-1, *patches.shape[2:])  # (patch, channel, y, x)
    mean = patches.mean(axis=(0, 2, 3), keepdims=True)
    deviation = patches.std(axis=(0, 2, 3), keepdims=True)
    flat = deviation < 1e-6  # of a channel that is the same everywhere: zeros
    normalized = (patches - mean) / np.where(flat, np.inf, deviation)
    return normalized.reshape(len(patches), -1)

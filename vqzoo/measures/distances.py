"""How far sets of vectors or images are from each other, and how spread one is."""

import numpy as np

DIRECTIONS_AT_ONCE = 64  # projections of all vectors that are held in memory
QUERIES_AT_ONCE = 1024  # whose distances to all known vectors are held in memory
SMALLEST = 16  # pixels, side of the coarsest level of a pyramid
PATCH = 7  # pixels, side of a descriptor
_FILTER = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def check_sets(first, second, least=1):
    """ValueError unless two sets have as many vectors of one shape, or more."""
    if min(len(first), len(second)) < least or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"expected two sets of at least {least} vectors of one length, received "
            f"shapes {first.shape} and {second.shape}"
        )


def sliced_wasserstein(first, second, num_directions=256, seed=0):
    """Mean Wasserstein distance of two sets along random directions.

    Args:
        first: float `(N, D)`.
        second: float `(M, D)`; sets of unlike sizes are compared by their quantiles.
        num_directions: int.
        seed: int, of the directions.

    Returns:
        float, in the units of the vectors; 0 for equal sets.

    Raises:
        ValueError: if a set is empty or the lengths of the vectors differ.

    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture
        mixing; for images: Karras et al. 2018, arXiv 1710.10196, section 5.
    """
    check_sets(first, second)
    directions = np.random.default_rng(seed).normal(
        size=(first.shape[1], num_directions)
    )
    directions /= np.linalg.norm(directions, axis=0)
    dtype = np.result_type(first, second, np.float32)
    total = 0.0
    for start in range(0, num_directions, DIRECTIONS_AT_ONCE):
        some = directions[:, start : start + DIRECTIONS_AT_ONCE].astype(dtype)
        total += np.abs(np.subtract(*_in_order(first @ some, second @ some))).sum()
    return float(total / num_directions / min(len(first), len(second)))


def _in_order(first, second):
    """Sorted columns of two matrices; of unlike sizes, quantiles of both."""
    if len(first) == len(second):
        return np.sort(first, axis=0), np.sort(second, axis=0)
    count = min(len(first), len(second))
    levels = (np.arange(count) + 0.5) / count
    return tuple(_quantiles(values, levels) for values in (first, second))


def _quantiles(values, levels):
    """As `np.quantile` along the first axis, which is slow for many levels."""
    ordered, places = np.sort(values, axis=0), levels * (len(values) - 1)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, len(values) - 1)
    shares = (places - before)[:, None].astype(ordered.dtype)
    return ordered[before] + shares * (ordered[after] - ordered[before])


def diversity(samples, num_pairs=2000, seed=0):
    """Mean distance of random pairs of samples: 0 when all are equal.

    Args:
        samples: float `(N, ...)`, N of at least 2.
        num_pairs: int.
        seed: int, of the pairs.

    Returns:
        float, in the units of the samples.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"expected at least two samples, received {len(samples)}")
    generator = np.random.default_rng(seed)
    flat = np.reshape(samples, (len(samples), -1))
    left = generator.integers(len(flat), size=num_pairs)
    # Never a sample with itself, and all other samples alike.
    right = (left + generator.integers(1, len(flat), size=num_pairs)) % len(flat)
    return float(np.linalg.norm(flat[left] - flat[right], axis=1).mean())


def nearest_other(samples):
    """Mean distance of a sample to the nearest other one: 0 when each has a copy.

    Unlike `diversity` it sees repeats: 16 images, 16 times each, score 0.

    Args:
        samples: float `(N, ...)`, flattened, N of at least 2.

    Returns:
        float, in the units of the samples; it falls with N.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(samples) < 2:
        raise ValueError(f"expected at least two samples, received {len(samples)}")
    flat = np.reshape(samples, (len(samples), -1))
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat)
    return float(search.kneighbors()[0].mean())  # a vector is no neighbor of its own


def nearest(queries, known):
    """Distance to the nearest known vector, and which one it is.

    Args:
        queries: float `(N, ...)`, flattened.
        known: float `(M, ...)`, flattened, M of at least 1.

    Returns:
        `(distances, indices)`: float64 `(N,)`, Euclidean, and int64 `(N,)`.

    Raises:
        ValueError: if a set is empty or the lengths of the vectors differ.
    """
    queries, known = np.asarray(queries), np.asarray(known)
    check_sets(queries, known)
    center = known.mean(axis=0, dtype="float64")  # near 0, squares keep their digits
    queries, known = (
        (vectors - center).reshape(len(vectors), -1).astype("float32")
        for vectors in (queries, known)
    )
    squares = np.sum(known**2, axis=1)
    indices = np.concatenate(
        [
            np.argmin(
                squares - 2 * queries[start : start + QUERIES_AT_ONCE] @ known.T, axis=1
            )
            for start in range(0, len(queries), QUERIES_AT_ONCE)
        ]
    )
    # The difference of large squares has lost what is small; this has not.
    apart = queries.astype("float64") - known[indices]
    return np.sqrt(np.sum(apart**2, axis=1)), indices


def memorization(samples, train, held_out):
    """How much nearer samples are to training data than held-out data is.

    Args:
        samples: float `(N, ...)`, vectors or images.
        train: float `(M, ...)`, of the data that the prior has seen.
        held_out: float `(L, ...)`, of real data that it has not seen.

    Returns:
        dict: `samples`, the median distance of a sample to its nearest training vector;
        `held_out`, that of a held-out vector; and `ratio`, the one over the other: near
        0 for copies, about 1 for samples that are as new as held-out data.

    Raises:
        ValueError: if a set is empty, or held-out and training data are the same.

    Source: van den Burg and Williams 2021, arXiv 2106.03216, compares such distances;
        the ratio of medians is ours.
    """
    distances = {
        "samples": float(np.median(nearest(samples, train)[0])),
        "held_out": float(np.median(nearest(held_out, train)[0])),
    }
    if distances["held_out"] == 0:
        raise ValueError(
            "expected held-out data that differs from the training data, received "
            "data whose median distance to it is 0"
        )
    return {**distances, "ratio": distances["samples"] / distances["held_out"]}


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

    Patches of 7 x 7 pixels at random positions, each channel normalized over its set by
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
    pyramids = [laplacian_pyramid(images) for images in (first, second)]
    distances = {}
    for levels in zip(*pyramids):
        sets = [_patches(level, patches_per_image, seed) for level in levels]
        distance = sliced_wasserstein(*sets, num_directions, seed)
        distances[f"swd_{levels[0].shape[1]}"] = 1000 * distance
    return distances | {"swd_mean": float(np.mean(list(distances.values())))}


def _blurred(images):
    from scipy.ndimage import convolve1d

    once = convolve1d(images, _FILTER, axis=1, mode="mirror")
    return convolve1d(once, _FILTER, axis=2, mode="mirror")


def _twice(images):
    """Images of twice the sides: zeros between the pixels, then blurred."""
    count, height, width, channels = images.shape
    wide = np.zeros((count, 2 * height, 2 * width, channels), images.dtype)
    # Blurring keeps the sum, and three of four pixels are zeros.
    wide[:, ::2, ::2] = 4 * images
    return _blurred(wide)


def _patches(images, per_image, seed):
    """Normalized patches at random positions: float32 `(N * per_image, 7 * 7 * C)`."""
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

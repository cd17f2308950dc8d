"""Held-out images that repeat training images, encoded or resized again."""

from collections.abc import Mapping

import numpy as np

_BLOCK = 2**24  # values that are looked at, or pairs that are compared, at a time
_MOST_PAIRS = 2**31  # that are compared; of more, some held-out images are
_MOST_ALIKE = 2**18  # pairs of like hashes that are looked at more closely
# Bits of 64 in which the hashes of one picture differ at most; fewer, where pictures
# are so alike, as those of clothes are, that there are too many pairs.
_DISTANCES = (7, 0)
_SIDE = 16
_CORRELATION = 0.995  # of gray pictures of 16 x 16, at least
_LEAST_CONTRAST = 2.0  # standard deviation of 8-bit levels


def near_duplicates(
    images: np.ndarray, rows: Mapping[str, np.ndarray]
) -> list[tuple[int, int]]:
    """Pairs of a held-out image and a training image that show the same.

    Their difference hashes, 64 bits of which of two neighbors in a picture of 9 x 8 is
    brighter, differ in 7 bits at most, so that one of the 8 bytes is the same; and
    small gray pictures of them correlate to 0.995.

    Args:
        images: uint8 `(N, height, width, channels)`.
        rows: of the images in each split.

    Returns: rows of both, one pair for each held-out image that has one.
    Source: Krawetz 2013, "Kind of Like That" (dHash). Differs: neighbors that differ by
        less than one level count as equal, so that flat parts have stable bits.
    """
    train, held_out = rows["train"], np.concatenate([rows["validation"], rows["test"]])
    hashes = _hashes(images)
    both = hashes[held_out], hashes[train]
    for distance in _DISTANCES:
        pairs, is_whole = _like(*both, distance)
        if is_whole:
            break
    chosen = {}
    for start in range(0, len(pairs), 4096):
        left, right = pairs[start : start + 4096].T
        left, right = held_out[left], train[right]
        both = [_normalized(images[side]) for side in (left, right)]
        alike = (both[0] * both[1]).sum(-1) >= _CORRELATION
        for one, other in zip(left[alike].tolist(), right[alike].tolist()):
            chosen.setdefault(one, other)
    return sorted(chosen.items())


def _hashes(images):
    step = max(1, _BLOCK // int(np.prod(images.shape[1:])))
    found = []
    for start in range(0, len(images), step):
        small = _shrunk(images[start : start + step], 8, 9)
        bits = small[:, :, 1:] - small[:, :, :-1] > 1
        found.append(np.packbits(bits.reshape(len(small), 64), axis=-1))
    return np.concatenate(found)


def _shrunk(images, height, width):
    """Means of gray images over the cells of a grid: float32 `(N, height, width)`."""
    gray = images.astype(np.float32).mean(axis=-1)
    return _cells(gray.shape[1], height) @ gray @ _cells(gray.shape[2], width).T


def _cells(side, count):
    """The share of each pixel of a side in each of `count` equal parts of it."""
    edges = np.linspace(0, side, count + 1)
    overlap = np.minimum(edges[1:, None], np.arange(1, side + 1)) - np.maximum(
        edges[:-1, None], np.arange(side)
    )
    return (np.maximum(overlap, 0) * count / side).astype(np.float32)


def _like(left, right, distance):
    """Places of pairs of hashes, uint8 `(N, 8)`, that differ in few bits.

    Returns: int `(M, 2)`, and whether they are all.
    """
    words = [np.ascontiguousarray(side).view(np.uint64)[:, 0] for side in (left, right)]
    pairs, total = [], 0
    for byte in range(8):
        orders = [np.argsort(side[:, byte], kind="stable") for side in (left, right)]
        ends = [
            np.searchsorted(side[order, byte], np.arange(257))
            for side, order in zip((left, right), orders)
        ]
        sizes = np.prod([np.diff(end) for end in ends], axis=0, dtype=np.int64)
        # Of flat pictures many bytes are alike: then some are compared.
        keep = max(1, -(-8 * int(sizes.sum()) // _MOST_PAIRS))
        for value in np.flatnonzero(sizes):
            ones, others = (
                order[end[value] : end[value + 1]] for order, end in zip(orders, ends)
            )
            ones = ones[::keep]
            step = max(1, _BLOCK // len(others))
            for start in range(0, len(ones), step):
                some = ones[start : start + step]
                apart = np.bitwise_count(words[0][some, None] ^ words[1][None, others])
                at = np.nonzero(apart <= distance)
                pairs.append(some[at[0]] * len(right) + others[at[1]])
                total += len(at[0])
            if total > 8 * _MOST_ALIKE:  # a pair comes up to 8 times
                return _split(pairs, len(right))[:_MOST_ALIKE], False
    pairs = _split(pairs, len(right))
    return pairs[:_MOST_ALIKE], len(pairs) <= _MOST_ALIKE


def _split(numbers, count):
    """Different pairs of places, each of which is one number."""
    numbers = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, np.int64)
    return np.stack(np.divmod(numbers, count), axis=-1)


def _normalized(images):
    small = _shrunk(images, _SIDE, _SIDE).reshape(len(images), -1)
    small -= small.mean(axis=-1, keepdims=True)
    spread = np.linalg.norm(small, axis=-1, keepdims=True)
    flat = spread < _LEAST_CONTRAST * _SIDE
    return np.where(flat, 0, small / np.maximum(spread, 1e-9))

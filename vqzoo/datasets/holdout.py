"""Which images are held out: decided by their content, so that no two splits share."""

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")
_TEST_FRACTION = 0.1


def content_digest(pixels: np.ndarray) -> bytes:
    """16 bytes that identify the pixels of an image."""
    return hashlib.blake2b(np.ascontiguousarray(pixels), digest_size=16).digest()


def assign_rows(
    digests: Sequence[bytes],
    given: Sequence[str],
    *,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Assign images to the three splits.

    The splits which the data has are kept, except that an image that is also in the
    test split leaves the others, and one in the validation split leaves training. A
    missing test or validation split is taken from the training images, in the order of
    a hash of their content: identical images go the same way.

    Args:
        digests: bytes for each image, equal for equal images.
        given: "train", "validation" or "test" for each image.
        validation_fraction: float in (0, 1). Share of the training images that a
            missing validation split takes. A missing test split takes 0.1 first.
        seed: int. Chooses other images.

    Returns: dict of split to int64 rows, in ascending order.
    Raises: ValueError: if there are too few different images for three splits.
    """
    if not 0 < validation_fraction < 1 - _TEST_FRACTION:
        raise ValueError(
            f"expected a fraction in (0, {1 - _TEST_FRACTION}), received "
            f"validation_fraction={validation_fraction}"
        )
    kept = set(given)
    if "train" not in kept:
        raise ValueError(f"expected training images, found splits {sorted(kept)} only")
    owners = _owners(digests, given)
    total = sum(owner == "train" for owner in owners.values())
    fractions = {"test": _TEST_FRACTION, "validation": validation_fraction}
    for split, fraction in fractions.items():
        if split not in kept:
            _take(owners, split, max(1, round(fraction * total)), seed)
    rows = {split: [] for split in SPLITS}
    dropped = 0
    for row, (digest, folder) in enumerate(zip(digests, given, strict=True)):
        owner = owners[digest]
        if owner == folder or owner not in kept:
            rows[owner].append(row)
        else:
            dropped += 1
    if dropped:
        warnings.warn(
            f"left out {dropped} images which are also in a held-out split",
            stacklevel=2,
        )
    return {split: np.array(chosen, np.int64) for split, chosen in rows.items()}


def _owners(digests, given):
    owners = {}
    for split in SPLITS:  # the last one wins
        owners.update(
            (digest, split)
            for digest, folder in zip(digests, given, strict=True)
            if folder == split
        )
    return owners


def _take(owners, split, count, seed):
    salt = f"{split} {seed}".encode()
    order = sorted(
        (digest for digest, owner in owners.items() if owner == "train"),
        key=lambda digest: hashlib.blake2b(salt + digest).digest(),
    )
    if len(order) <= count:
        raise ValueError(
            f"expected enough different training images to hold out {count} of them "
            f"for {split}, found {len(order)}"
        )
    owners.update(dict.fromkeys(order[:count], split))

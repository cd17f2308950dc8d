"""Images along a walk through the latents, one step after the other."""

import numpy as np

from vqzoo.measures.inference import decode_all


def walk_indices(decode, codes, num_embeddings, tier, num_steps=9):
    """Images while all indices of a tier move together along the codebook.

    In an ordered codebook the image changes little by little; in one without order the
    first step replaces it.

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int `(N, h, w)`, top first.
        num_embeddings: int, K of the tier.
        tier: int, whose indices move.
        num_steps: int, odd: the codes as they are stand in the middle.

    Returns:
        `(images, offsets)`: float `(N, num_steps, H, W, C)`, clipped to [-0.5, 0.5],
        and the int by which the indices of each column have moved, at most K / 4;
        indices stop at the ends of the codebook.

    Raises:
        ValueError: if the number of steps is even.
    """
    if num_steps % 2 == 0:
        raise ValueError(f"expected an odd number of steps, received {num_steps=}")
    most = num_embeddings // 4
    offsets = np.rint(np.linspace(-most, most, num_steps)).astype(int)
    columns = []
    for offset in offsets:
        other = list(codes)
        moved = np.clip(codes[tier].astype(int) + offset, 0, num_embeddings - 1)
        other[tier] = moved.astype("int32")
        columns.append(decode_all(decode, tuple(other)))
    return np.clip(np.stack(columns, axis=1), -0.5, 0.5), offsets


def walk_values(decode, latents, dimensions, num_steps=9, deviations=2.0):
    """Images while one number of a latent vector moves, one row for each number.

    Args:
        decode: function from a tuple of one array `(B, D)` to images.
        latents: float `(N, D)`: the first is walked from, all give the spread.
        dimensions: ints below D.
        num_steps: int.
        deviations: float, how many standard deviations a number moves either way.

    Returns:
        `(images, offsets)`: float `(len(dimensions), num_steps, H, W, C)`, clipped, and
        the offsets in standard deviations.

    Raises:
        ValueError: if there is no such number.
    """
    if not all(0 <= dimension < latents.shape[1] for dimension in dimensions):
        raise ValueError(
            f"expected dimensions below {latents.shape[1]}, received {dimensions=}"
        )
    offsets = np.linspace(-deviations, deviations, num_steps)
    spread = latents.std(axis=0)
    rows = []
    for dimension in dimensions:
        walked = np.repeat(latents[:1], num_steps, axis=0)
        walked[:, dimension] += (offsets * spread[dimension]).astype(walked.dtype)
        rows.append(decode_all(decode, (walked,)))
    return np.clip(np.stack(rows), -0.5, 0.5), offsets

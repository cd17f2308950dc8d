"""What an image loses when some of its codes become others."""

import numpy as np

from vqzoo.measures.inference import decode_all
from vqzoo.measures.reconstruction import reconstruction_error


def perturb(codes, num_embeddings, share, distance, seed=0):
    """Moves a share of the indices by a distance up or down.

    Args:
        codes: int array `(N, h, w)` in [0, K).
        num_embeddings: int, K.
        share: float in [0, 1], part of the places, chosen at random.
        distance: int, 0 or more, by how much an index moves. One that would leave the
            codebook moves the other way, or to an end of the codebook where both would.
        seed: int.

    Returns:
        int32 `(N, h, w)`.

    Raises:
        ValueError: if `share` or `distance` is out of its range.

    Source: Coppock's thesis, section 4.1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected share in [0, 1], received {share=}")
    if distance < 0:
        raise ValueError(f"expected distance of at least 0, received {distance=}")
    codes = np.asarray(codes, "int64")
    generator = np.random.default_rng(seed)
    sign = generator.choice([-1, 1], size=codes.shape)
    moved = codes + sign * distance
    outside = (moved < 0) | (moved >= num_embeddings)
    moved = np.where(outside, codes - sign * distance, moved)
    moved = np.clip(moved, 0, num_embeddings - 1)
    chosen = generator.random(codes.shape) < share
    return np.where(chosen, moved, codes).astype("int32")


def brittleness(
    decode,
    codes,
    num_embeddings,
    *,
    tier,
    shares=(0.1, 0.25, 0.5, 1.0),
    distances=(1, 2, 5, 10, 50),
    classify=None,
    seed=0,
):
    """PSNR, and agreement of a classifier, after indices of a tier were perturbed.

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int arrays `(N, h, w)`, top first.
        num_embeddings: int, K of the tier.
        tier: int, which codes are perturbed.
        shares: parts of the places.
        distances: by how much the indices move.
        classify: function from images to labels `(N,)`, below 0 where it names none, or
            None.
        seed: int.

    Returns:
        list of dicts: `share`, `distance`, `psnr` against the images of the codes as
        they were, and with a classifier `agreement`, the share of images that have a
        label and keep it.

    Source: Coppock's thesis, section 4.1 and figure 4.1.
    """
    images = np.clip(decode_all(decode, codes), -0.5, 0.5)
    labels = None if classify is None else np.asarray(classify(images))
    rows = []
    for share in shares:
        for distance in distances:
            other = list(codes)
            other[tier] = perturb(codes[tier], num_embeddings, share, distance, seed)
            changed = np.clip(decode_all(decode, tuple(other)), -0.5, 0.5)
            row = {"share": share, "distance": distance}
            row["psnr"] = reconstruction_error(images, changed)["psnr"]
            if labels is not None:
                kept = np.asarray(classify(changed)) == labels
                row["agreement"] = float(np.mean(kept & (labels >= 0)))
            rows.append(row)
    return rows

"""Images between two images: by indices, by codes, by latents; and whether they are.

A mid-point that is a mere superposition of its ends looks like the blend of their
pixels. Two numbers tell: how near it is to a real image, and how little it changes when
it is encoded and decoded again. Both are compared with those of the pixel blend.
"""

import numpy as np

from vqzoo.measures.inference import decode_all, encode_all, in_batches
from vqzoo.measures.neighbors import nearest
from vqzoo.measures.reconstruction import reconstruction_error

SPACES = ("indices", "codes", "latents", "pixels")


def interpolate(model, first, second, shares, space):
    """Images between two sets of images.

    Args:
        model: a model of vqzoo.models with one code for each latent, or with latents
            that are real numbers (`"latents"` and `"pixels"` only).
        first: float `(N, H, W, C)`.
        second: float `(N, H, W, C)`.
        shares: sequence of float in [0, 1], of the second image.
        space: `"indices"` (the numbers of the codes, rounded), `"codes"` (the code
            vectors, then the nearest codes), `"latents"` (what the encoder gives,
            before quantization) or `"pixels"`.

    Returns:
        Float numpy `(N, len(shares), H, W, C)`, clipped to [-0.5, 0.5].

    Raises:
        ValueError: if `space` is unknown, the model has no such space or the sets
            differ in shape.

    Source: Coppock's thesis, section 4.3.
    """
    if space not in SPACES:
        raise ValueError(f"expected space to be one of {SPACES}, received {space!r}")
    if first.shape != second.shape:
        raise ValueError(
            f"expected two sets of one shape, received {first.shape} and {second.shape}"
        )
    if space == "pixels":
        found = [(1 - share) * first + share * second for share in shares]
    else:
        between = _codes_between if model.quantizers else _real_between
        mixed = between(model, first, second, shares, space)
        found = decode_all(model.decode, mixed)
        found = found.reshape(len(shares), *first.shape)
    return np.clip(np.stack(found, axis=1), -0.5, 0.5)


def _codes_between(model, first, second, shares, space):
    """Codes for each share, one share after the other: a tuple, top first."""
    if space == "latents":
        ends = [model.latents(first), model.latents(second)]
    else:
        ends = [encode_all(model.encode, first), encode_all(model.encode, second)]
    if space == "codes":
        ends = [
            [layer.decode(of_tier) for layer, of_tier in zip(model.quantizers, end)]
            for end in ends
        ]
    codes = []
    for layer, a, b in zip(model.quantizers, *ends):
        mixed = [(1 - share) * a + share * b for share in shares]
        if space == "indices":
            codes.append(np.rint(np.concatenate(mixed)).astype("int32"))
        else:
            nearest = [np.asarray(layer.encode(each)) for each in mixed]
            codes.append(np.concatenate(nearest))
    return tuple(codes)


def _real_between(model, first, second, shares, space):
    """Latents that are real numbers, for each share: a tuple, top first."""
    if space != "latents":
        raise ValueError(
            f"expected space='latents' of a model without codes, received {space!r}"
        )
    ends = [in_batches(lambda x: tuple(model.encode(x)), x) for x in (first, second)]
    return tuple(
        np.concatenate([(1 - share) * a + share * b for share in shares])
        for a, b in zip(*ends)
    )


def superposition(middles, first, second):
    """How like a mere superposition of their ends mid-points are: PSNR in dB.

    Args:
        middles: float `(N, H, W, C)` in [-0.5, 0.5].
        first: float `(N, H, W, C)`, the images at one end as the model decodes them.
        second: float `(N, H, W, C)`, those at the other.

    Returns:
        float, mean over the pairs of the PSNR to the blend of the ends' pixels: 100 at
        most, where the mid-point is that blend.
    """
    blends = (np.clip(first, -0.5, 0.5) + np.clip(second, -0.5, 0.5)) / 2
    return reconstruction_error(blends, middles)["psnr"]


def plausibility(images, real, features, reconstruct):
    """How near images are to real ones, and how much they change when re-encoded.

    Args:
        images: float `(N, H, W, C)`.
        real: float `(M, H, W, C)`, other real images.
        features: function from images to vectors `(N, D)`.
        reconstruct: function from images to what the model makes of them.

    Returns:
        dict: `nearest_real`, the mean distance in features to the nearest real image,
        and `change`, the root mean square change when an image is encoded and decoded.
    """
    distances, _ = nearest(features(images), features(real))
    change = np.asarray(reconstruct(images)) - images
    return {
        "nearest_real": float(distances.mean()),
        "change": float(np.sqrt(np.mean(np.square(change), dtype=np.float64))),
    }

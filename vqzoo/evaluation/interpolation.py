"""Images between two images: by indices, by codes, by latents; and whether they are.

A mid-point that is a mere superposition of its ends looks like the blend of their
pixels. Two numbers tell: how near it is to a real image, and how little it changes when
it is encoded and decoded again. Both are compared with those of the pixel blend.
"""

import numpy as np

from vqzoo.evaluation.inference import decode_all, encode_all

SPACES = ("indices", "codes", "latents", "pixels")


def interpolate(model, first, second, shares, space):
    """Images between two sets of images.

    Args:
        model: a model of vqzoo.models with one code for each latent.
        first: float `(N, H, W, C)`.
        second: float `(N, H, W, C)`.
        shares: sequence of float in [0, 1], of the second image.
        space: `"indices"` (the numbers of the codes, rounded), `"codes"` (the code
            vectors, then the nearest codes), `"latents"` (what the encoder gives,
            before quantization) or `"pixels"`.

    Returns:
        Float numpy `(N, len(shares), H, W, C)`, clipped to [-0.5, 0.5].

    Raises:
        ValueError: if `space` is unknown or the sets differ in shape.

    Source: Coppock's thesis, section 4.3.
    """
    if space not in SPACES:
        raise ValueError(f"expected space to be one of {SPACES}, received {space!r}")
    if first.shape != second.shape:
        raise ValueError(
            f"expected two sets of one shape, received {first.shape} and {second.shape}"
        )
    found = [_between(model, first, second, share, space) for share in shares]
    return np.clip(np.stack(found, axis=1), -0.5, 0.5)


def _between(model, first, second, share, space):
    if space == "pixels":
        return (1 - share) * first + share * second
    if space == "latents":
        ends = [model.latents(first), model.latents(second)]
        mixed = [(1 - share) * a + share * b for a, b in zip(*ends)]
        codes = [layer.encode(each) for layer, each in zip(model.quantizers, mixed)]
        return decode_all(model.decode, tuple(map(np.asarray, codes)))
    ends = [encode_all(model.encode, first), encode_all(model.encode, second)]
    if space == "indices":
        codes = [
            np.rint((1 - share) * a + share * b).astype("int32") for a, b in zip(*ends)
        ]
        return decode_all(model.decode, tuple(codes))
    codes = []
    for layer, a, b in zip(model.quantizers, *ends):
        mixed = (1 - share) * layer.decode(a) + share * layer.decode(b)
        codes.append(np.asarray(layer.encode(mixed)))
    return decode_all(model.decode, tuple(codes))


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
    found = np.asarray(features(images), "float64")
    known = np.asarray(features(real), "float64")
    squares = (known**2).sum(axis=1) - 2 * found @ known.T
    squares = squares.min(axis=1) + (found**2).sum(axis=1)
    change = np.asarray(reconstruct(images)) - images
    return {
        "nearest_real": float(np.sqrt(np.maximum(squares, 0)).mean()),
        "change": float(np.sqrt(np.mean(np.square(change), dtype=np.float64))),
    }

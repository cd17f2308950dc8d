"""Images between two images: by indices, by codes, by latents; and whether they are.

A midpoint that is a mere superposition of its ends looks like the blend of their
pixels. Two numbers tell: how near it is to a real image, and how little it changes when
it is encoded and decoded again. Both are compared with those of the pixel blend.
"""

import functools

import numpy as np

from vqzoo import plots, registry
from vqzoo.arguments import check_one_of
from vqzoo.measures.distances import nearest
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches
from vqzoo.measures.reconstruction import reconstruction_error

ORDER = 9
TITLE = "Interpolation"
TEXT = (
    "Midpoints between pairs of test images: of their indices, of their code "
    "vectors, of the latents before quantization, and of their pixels. A "
    "midpoint that is an image in its own right is near to real images in the "
    "encoder's features, and changes little if it is encoded and decoded again. "
    "A midpoint that is only a superposition looks like the blend of the "
    "pixels of its ends. Real images that the model has not seen, and their "
    "reconstructions, show the best possible values."
)
SHARES = (0.0, 0.17, 0.33, 0.5, 0.67, 0.83, 1.0)
STRIPS = 2
SPACES = {
    "indices": "indices",
    "codes": "code vectors",
    "latents": "latents",
    "pixels": "pixels",
}


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
    check_one_of(SPACES, space=space)
    if first.shape != second.shape:
        raise ValueError(
            f"expected two sets of one shape, received {first.shape} and {second.shape}"
        )
    if space == "pixels":
        images = [(1 - share) * first + share * second for share in shares]
    else:
        images = in_batches(model.decode, _between(model, first, second, shares, space))
        images = images.reshape(len(shares), *first.shape)
    return np.clip(np.stack(images, axis=1), -0.5, 0.5)


def _between(model, first, second, shares, space):
    """Codes, or real latents, for each share, one after the other: a tuple, top first.

    What lies between two latents or code vectors becomes codes again, so that the
    decoder sees nothing that it was not trained on.
    """
    if not model.quantizers and space != "latents":
        raise ValueError(
            f"expected space='latents' of a model without codes, received {space!r}"
        )
    is_before_codes = model.quantizers and space == "latents"
    inner = model.latents if is_before_codes else model.encode
    ends = [in_batches(inner, images) for images in (first, second)]
    if space == "codes":
        ends = [
            [layer.decode(codes) for layer, codes in zip(model.quantizers, end)]
            for end in ends
        ]
    mixed = [[(1 - share) * a + share * b for share in shares] for a, b in zip(*ends)]
    if space == "indices":
        return tuple(np.rint(np.concatenate(tier)).astype("int32") for tier in mixed)
    if model.quantizers:
        mixed = [
            [np.asarray(layer.encode(latents)) for latents in tier]
            for layer, tier in zip(model.quantizers, mixed)
        ]
    return tuple(np.concatenate(tier) for tier in mixed)


def superposition(middles, first, second):
    """How like a mere superposition of their ends midpoints are: PSNR in dB.

    Args:
        middles: float `(N, H, W, C)` in [-0.5, 0.5].
        first: float `(N, H, W, C)`, the images at one end as the model decodes them.
        second: float `(N, H, W, C)`, those at the other.

    Returns:
        float, mean over the pairs of the PSNR to the blend of the ends' pixels: 100 at
        most, where the midpoint is that blend.
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


@registry.named("interpolation")
def measure(subject, section):
    """Strips, and numbers of midpoints beside those of real images."""
    if subject.model.is_hybrid or any(tier.code_axes for tier in subject.tiers):
        raise Skipped("it needs a model with exactly one code for each latent")
    pairs = min(subject.sizes.pairs, len(subject.images) // 2)
    if pairs < 1:
        raise Skipped("it needs two images")
    ends = subject.images[:pairs], subject.images[pairs : 2 * pairs]
    spaces = tuple(SPACES) if subject.tiers else ("latents", "pixels")
    real = subject.train_images[: 2 * subject.sizes.some]
    features = subject.encoder_features(real)
    center = features.mean(axis=0)
    known = _directions(features, center)

    def features_of(images):
        if images is known:
            return known
        return _directions(subject.encoder_features(images), center)

    how = {"features": features_of, "reconstruct": subject.reconstruct}
    measured = functools.partial(plausibility, real=known, **how)
    decoded = [subject.reconstruct(images) for images in ends]
    rows = {}
    for space in subject.progress(spaces, "spaces"):
        middles = interpolate(subject.model, *ends, (0.5,), space)[:, 0]
        rows[space] = measured(middles)
        if space != "pixels":
            rows[space]["likeness"] = superposition(middles, *decoded)
    rows["real"] = measured(ends[0])
    rows["rebuilt"] = measured(decoded[0])
    for name, row in rows.items():
        section.add(row, f"{name}_")
    _tell(section, rows, reconstruction_error(ends[0], decoded[0])["psnr"], pairs)
    _show(subject, section, ends, spaces)


def _directions(features, center):
    """Features without their strength: a pale image would be near to all others."""
    centered = features - center
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(lengths, np.finfo("float32").tiny)


def _tell(section, rows, psnr, pairs):
    names = {
        **{space: f"midpoints of {words}" for space, words in SPACES.items()},
        "real": "held-out real images",
        "rebuilt": "their reconstructions",
    }
    section.table(
        f"Midpoints of {pairs} pairs",
        ("images", "nearest real image", "change (RMS)", "PSNR to the blend (dB)"),
        [
            (names[n], row["nearest_real"], row["change"], row.get("likeness", "-"))
            for n, row in rows.items()
        ],
        "Cosine distance of the encoder's features to the nearest real training "
        "image, from 0 to 2; root mean square change of a pixel (range 1) when the "
        "image is encoded and decoded again, which is smaller for pale images; PSNR "
        "to the blend of the decoded ends.",
    )
    blend, real = rows["pixels"]["nearest_real"], rows["real"]["nearest_real"]
    for space in (name for name in rows if "likeness" in rows[name]):
        row = rows[space]
        way = _way(blend, row["nearest_real"], real)
        alike = "almost" if row["likeness"] >= psnr else "not"
        section.remarks.append(
            f"Midpoints of {SPACES[space]} are {way}. Their PSNR to the blend of "
            f"their ends is {row['likeness']:.1f} dB, and that of a reconstruction "
            f"to its image {psnr:.1f} dB: they are {alike} mere superpositions."
        )


def _way(blend, middles, real):
    """Where midpoints are between the blend of pixels and real images, in words."""
    if blend <= real or middles >= blend:
        return "no nearer to real images than the blend of pixels"
    way = (blend - middles) / (blend - real)
    return f"{way:.0%} of the way from the blend of pixels to real images"


def _show(subject, section, ends, spaces):
    for pair in range(min(STRIPS, len(ends[0]))):
        section.picture(
            f"Between two images, pair {pair + 1}",
            "Each row goes from one image to the other; the lowest row blends the "
            "pixels.",
            functools.partial(_strips, subject, ends, pair, spaces),
        )


def _strips(subject, ends, pair, spaces):
    first, second = (images[pair : pair + 1] for images in ends)
    rows = {
        SPACES[space].replace(" ", "\n"): interpolate(
            subject.model, first, second, SHARES, space
        )[0]
        for space in spaces
    }
    return plots.strips(rows, column_labels=[f"{share:.0%}" for share in SHARES])

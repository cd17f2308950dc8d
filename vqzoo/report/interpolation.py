"""The section on images between images."""

import numpy as np

from vqzoo import plots
from vqzoo.measures import interpolation
from vqzoo.measures.reconstruction import reconstruction_error
from vqzoo.report.document import Skipped

TEXT = (
    "Mid-points between pairs of test images: of their indices, of their code "
    "vectors, of the latents before quantization, and of their pixels. A mid-point "
    "that is an image of its own is near to real images in the encoder's features and "
    "changes little when it is encoded and decoded again; one that is a mere "
    "superposition looks like the blend of the pixels of its ends. Real images that "
    "the model has not seen, and their reconstructions, say what can be reached."
)
SHARES = (0.0, 0.17, 0.33, 0.5, 0.67, 0.83, 1.0)
STRIPS = 2
WORDS = {
    "indices": "indices",
    "codes": "code vectors",
    "latents": "latents",
    "pixels": "pixels",
}


def fill(subject, section):
    """Strips, and numbers of mid-points beside those of real images."""
    if subject.is_hybrid or any(tier.code_axes for tier in subject.tiers):
        raise Skipped("it takes one code, and nothing else, for each latent")
    pairs = min(subject.sizes.pairs, len(subject.images) // 2)
    if pairs < 1:
        raise Skipped("it takes two images")
    ends = subject.images[:pairs], subject.images[pairs : 2 * pairs]
    spaces = interpolation.SPACES if subject.tiers else ("latents", "pixels")
    real = subject.train_images[: 2 * subject.sizes.some]
    features = subject.encoder_features(real)
    center = features.mean(axis=0)
    known = _directions(features, center)

    def features_of(images):
        if images is known:
            return known
        return _directions(subject.encoder_features(images), center)

    decoded = [subject.reconstruct(each) for each in ends]
    rows = {}
    for space in subject.progress(spaces, "spaces"):
        middles = interpolation.interpolate(subject.model, *ends, (0.5,), space)[:, 0]
        found = _numbers(subject, middles, known, features_of)
        if space != "pixels":
            found["likeness"] = interpolation.superposition(middles, *decoded)
        rows[space] = found
    rows["real"] = _numbers(subject, ends[0], known, features_of)
    rows["rebuilt"] = _numbers(subject, decoded[0], known, features_of)
    for name, found in rows.items():
        section.add(found, f"{name}_")
    _tell(section, rows, reconstruction_error(ends[0], decoded[0])["psnr"], pairs)
    _show(subject, section, ends, spaces)


def _numbers(subject, images, known, features_of):
    return interpolation.plausibility(images, known, features_of, subject.reconstruct)


def _directions(features, center):
    """Features without their strength: a pale image would be near to all others."""
    centered = features - center
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(lengths, np.finfo("float32").tiny)


def _tell(section, rows, psnr, pairs):
    names = {
        **{space: f"mid-points of {words}" for space, words in WORDS.items()},
        "real": "held-out real images",
        "rebuilt": "their reconstructions",
    }
    section.table(
        f"Mid-points of {pairs} pairs",
        ("images", "nearest real image", "change (RMS)", "PSNR to the blend (dB)"),
        [
            (names[n], row["nearest_real"], row["change"], row.get("likeness", "-"))
            for n, row in rows.items()
        ],
        "Distance to the nearest of the real training images in the directions of the "
        "encoder's features, 0 to 2; root mean square change of a pixel, of a range of "
        "1, when encoded and decoded again, which is less for pale images; likeness to "
        "the blend of the ends as decoded.",
    )
    blend, real = rows["pixels"]["nearest_real"], rows["real"]["nearest_real"]
    for space in (name for name in rows if "likeness" in rows[name]):
        row = rows[space]
        way = _way(blend, row["nearest_real"], real)
        alike = "as good as" if row["likeness"] >= psnr else "not"
        section.remarks.append(
            f"Mid-points of {WORDS[space]} are {way}. They are "
            f"{row['likeness']:.1f} dB from the blend of their ends, where a "
            f"reconstruction is {psnr:.1f} dB from its image: {alike} a mere "
            "superposition."
        )


def _way(blend, found, real):
    """Where mid-points are between the blend of pixels and real images, in words."""
    if blend <= real or found >= blend:
        return "no nearer to real images than the blend of pixels is"
    way = (blend - found) / (blend - real)
    return f"{way:.0%} of the way from the blend of pixels to real images"


def _show(subject, section, ends, spaces):
    for pair in range(min(STRIPS, len(ends[0]))):
        first, second = (each[pair : pair + 1] for each in ends)
        rows = {
            WORDS[space].replace(" ", "\n"): interpolation.interpolate(
                subject.model, first, second, SHARES, space
            )[0]
            for space in spaces
        }
        section.picture(
            f"Between two images, pair {pair + 1}",
            "Each row goes from one image to the other; the lowest blends the pixels.",
            plots.strips(rows, column_labels=[f"{share:.0%}" for share in SHARES]),
        )

"""Whether a tier carries information: what images lose without its codes."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.codebook import code_maps, gray_maps
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import decode_with, in_batches
from vqzoo.measures.reconstruction import reconstruction_error

ORDER = 3
TITLE = "Maps of codes"
TEXT = (
    "Indices as gray images, and what an image loses if the codes of one tier "
    "come from other images. If that costs almost nothing, the decoder bypasses "
    "the tier. The information of an index about the label is the mean over "
    "the positions of the grid."
)
SHOWN = 7
LEAST_LOSS = 0.5  # dB; a tier whose shuffling costs less is bypassed


def shuffled_tiers(decode, codes, images, tier_names, seed=0):
    """PSNR lost when the codes of one tier come from other images.

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int arrays `(N, h, w)`, top first, N of at least 2.
        images: float `(N, H, W, C)`.
        tier_names: sequence of str.
        seed: int, of the order.

    Returns:
        dict: for each tier `<tier>_shuffled_loss`, in dB, and `<tier>_bypassed`, 1.0
        where that is below 0.5 dB, else 0.0.

    Raises:
        ValueError: if there are fewer than two images.

    Source: Coppock's thesis, section 4.8, shows tiers that carry nothing; the test is
        ours.
    """
    if len(images) < 2:
        raise ValueError(f"expected at least two images, received {len(images)}")
    before = reconstruction_error(images, in_batches(decode, codes))["psnr"]
    order = _derangement(len(images), seed)
    metrics = {}
    for tier, name in enumerate(tier_names):
        shuffled = decode_with(decode, codes, tier, codes[tier][order])
        after = reconstruction_error(images, shuffled)["psnr"]
        metrics[f"{name}_shuffled_loss"] = before - after
        metrics[f"{name}_bypassed"] = float(before - after < LEAST_LOSS)
    return metrics


def label_information(codes, labels):
    """Mean mutual information of a position's index with the label, in bits.

    From the frequencies, less what indices in another order would seem to know: from a
    sample of N that is about (L - 1) (K - 1) / 2N nats above 0 for L labels that say
    nothing.

    Args:
        codes: int `(N, h, w)`.
        labels: int `(N,)`.

    Returns:
        float, about 0 for indices that say nothing of the label.
    """
    labels = np.asarray(labels)
    places = np.reshape(codes, (len(codes), -1)).T
    shuffled = labels[np.random.default_rng(0).permutation(len(labels))]
    gains = [
        _information(place, labels) - _information(place, shuffled) for place in places
    ]
    return float(np.mean(gains) / np.log(2))


def _information(indices, labels):
    """Mutual information of two int arrays `(N,)`, in nats, from their frequencies."""
    from sklearn.metrics import mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    # Not of the arrays themselves: scikit-learn warns of many values in a few rows.
    table = contingency_matrix(labels, indices, sparse=True)
    return mutual_info_score(None, None, contingency=table)


def _derangement(count, seed):
    """An order in which nothing stays at its place."""
    order = np.random.default_rng(seed).permutation(count)
    moved = np.empty(count, int)
    moved[order] = np.roll(order, 1)
    return moved


@registry.named("latent_maps")
def measure(subject, section):
    """What each tier carries, and how its maps of indices look."""
    subject.need_codes()
    maps = [
        (name, size, codes)
        for name, _, size, codes in code_maps(subject.model, subject.codes, 1)
    ]
    section.picture(
        "Maps of code indices",
        "Above: test images. Below: the index at each position of each tier, from "
        "black (0) to white (K - 1). If indices are ordered, the maps look like the "
        "image.",
        lambda: plots.strips(gray_maps(subject.images[:SHOWN], maps)),
    )
    with section.attempt("information about the label"):
        _label_bits(subject, section, maps)
    with section.attempt("shuffled tiers"):
        _shuffle(subject, section)


def _label_bits(subject, section, maps):
    subject.need_labels()
    shares = np.unique(subject.labels, return_counts=True)[1] / len(subject.labels)
    if len(shares) < 2:
        raise Skipped("all images are of one class")
    bits = {n: label_information(codes, subject.labels) for n, _, codes in maps}
    section.add({f"{n.replace(' ', '_')}_label_bits": v for n, v in bits.items()})
    section.table(
        "Information of one index about the label",
        ("tier", "bits"),
        bits.items(),
        f"The label itself has {-np.sum(shares * np.log2(shares)):.2f} bits.",
    )


def _shuffle(subject, section):
    subject.need_whole_codes()
    if subject.model.decoded_tiers != tuple(subject.model.tier_names):
        raise Skipped(
            "each tier of this model is decoded on its own, so shuffling another tier "
            "changes nothing; its own reconstruction shows what it holds"
        )
    names = [tier.name for tier in subject.tiers]
    count = subject.sizes.some
    metrics = shuffled_tiers(
        subject.decode, subject.some_codes(count), subject.images[:count], names
    )
    section.add(metrics)
    losses = {name: metrics[f"{name}_shuffled_loss"] for name in names}
    section.table(
        "PSNR lost when one tier comes from other images",
        ("tier", "loss (dB)"),
        losses.items(),
    )
    for name, loss in losses.items():
        is_bypassed = metrics[f"{name}_bypassed"]
        section.remarks.append(
            f"The {name} tier is {'bypassed' if is_bypassed else 'needed'} (its codes "
            f"from other images cost {loss:.2f} dB; below {LEAST_LOSS} dB counts as "
            "bypassed)."
        )

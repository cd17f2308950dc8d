"""Whether a tier carries anything: what images lose without what it says of them."""

import numpy as np

from vqzoo.measures.inference import decode_all
from vqzoo.measures.reconstruction import reconstruction_error

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
    before = reconstruction_error(images, decode_all(decode, codes))["psnr"]
    order = _derangement(len(images), seed)
    found = {}
    for tier, name in enumerate(tier_names):
        other = list(codes)
        other[tier] = codes[tier][order]
        after = reconstruction_error(images, decode_all(decode, tuple(other)))["psnr"]
        found[f"{name}_shuffled_loss"] = before - after
        found[f"{name}_bypassed"] = float(before - after < LEAST_LOSS)
    return found


def label_information(codes, labels, num_embeddings):
    """Mean mutual information of a place's index with the label, in bits.

    From the frequencies, less what indices in another order would seem to know.

    Args:
        codes: int `(N, h, w)` in [0, K).
        labels: int `(N,)`.
        num_embeddings: int, K.

    Returns:
        float, about 0 for indices that say nothing of the label.
    """
    labels = np.asarray(labels)
    places = np.reshape(codes, (len(codes), -1)).T
    shuffled = labels[np.random.default_rng(0).permutation(len(labels))]
    gains = [
        _information(place, labels, num_embeddings)
        - _information(place, shuffled, num_embeddings)
        for place in places
    ]
    return float(np.mean(gains))


def _information(indices, labels, num_embeddings):
    """Mutual information of two int arrays `(N,)`, in bits, from their frequencies."""
    num_labels = labels.max() + 1
    table = np.bincount(
        labels * num_embeddings + indices, minlength=num_labels * num_embeddings
    ).reshape(num_labels, num_embeddings)
    table = table / len(labels)
    outer = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    seen = table > 0
    return float(np.sum(table[seen] * np.log2(table[seen] / outer[seen])))


def _derangement(count, seed):
    """An order in which nothing stays at its place."""
    order = np.random.default_rng(seed).permutation(count)
    found = np.empty(count, int)
    found[order] = np.roll(order, 1)
    return found

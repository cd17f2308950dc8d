"""How well a prior knows codes, in bits, and a VAE images, in nats."""

import numpy as np

from vqzoo import registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches

ORDER = 10
STEPS = 255  # of an 8-bit value over the range of an image's values, which is 1
DRAWS = 4  # of the latents of an image, for the bound of a VAE
TITLE = "Likelihood"
TEXT = (
    "Bits that the priors need for a code of the test images, beside what the "
    "frequencies of the codes alone and raw indices need; and of training images: "
    "where those need much less, the prior has learned them by heart. Of a VAE, the "
    "evidence lower bound."
)
GLANCE = {"test_bits_per_pixel": "bits per pixel under the priors"}


def bits_per_code(log_prob, *codes_and_conditions, batch_size=256):
    """Mean bits that a prior needs for a code.

    Args:
        log_prob: function from codes `(B, h, w)`, and what else is given, to log
            likelihoods `(B,)` in nats.
        *codes_and_conditions: arrays of N grids and of their conditions, codes first.
        batch_size: int.

    Returns:
        float.

    Raises:
        ValueError: if there are no codes.
    """
    nats = in_batches(log_prob, *codes_and_conditions, batch_size=batch_size)
    total = float(np.sum(nats, dtype=np.float64))
    return -total / codes_and_conditions[0].size / np.log(2)


def prior_bits(prior, codes, labels, codes_above):
    """Mean bits that a prior needs for a code of its tier.

    Args:
        prior: a prior of vqzoo.priors that has a likelihood.
        codes: int `(N, h, w)`.
        labels: ints `(N,)`, or None where the data has no classes.
        codes_above: sequence of int `(N, h, w)`, of the tiers above, top first.
    """
    labels = np.zeros(len(codes), "int32") if labels is None else labels

    def log_prob(codes, labels, *above):
        return prior.log_likelihood(codes, prior.condition(labels, above))

    return bits_per_code(log_prob, codes, labels, *codes_above)


def unigram_bits(codes, held_out, num_embeddings):
    """Mean bits that the frequencies of codes alone need for a held-out code.

    Args:
        codes: int array, of which the frequencies are taken, each code counted once
            more, so that none is impossible.
        held_out: int array.
        num_embeddings: int, K.

    Returns:
        float; log2(K) where the frequencies say nothing.
    """
    counts = np.bincount(np.ravel(codes), minlength=num_embeddings) + 1.0
    bits = -np.log2(counts / counts.sum())
    return float(np.mean(bits[np.ravel(held_out)]))


@registry.named("likelihood")
def measure(subject, section):
    """Bits per code of each tier and per pixel of the images."""
    if subject.pipeline is None:
        _bound(subject, section)
        return
    rows, per_pixel = [], {"test": 0.0, "train": 0.0}
    for tier in subject.tiers:
        bits = subject.tier_bits[tier.name]
        codes = subject.codes[tier.index]
        unigram = unigram_bits(
            subject.train_codes[tier.index], codes, tier.num_embeddings
        )
        raw = float(np.log2(tier.num_embeddings))
        rows.append((tier.name, bits["test"], bits["train"], unigram, raw))
        for name, value in {**bits, "unigram": unigram}.items():
            section.add({f"{tier.name}_{name}_bits_per_code": value})
        for split in per_pixel:
            count = np.prod(codes.shape[1:])
            per_pixel[split] += bits[split] * count / subject.num_pixels
    section.add({f"{split}_bits_per_pixel": v for split, v in per_pixel.items()})
    section.table(
        "Bits per code",
        ("tier", "prior, test", "prior, training", "frequencies", "raw"),
        rows,
        f"All tiers of an image together: {per_pixel['test']:.4f} bits per pixel "
        f"({per_pixel['train']:.4f} of training images).",
    )


def tier_bits(subject):
    """Bits per code of each tier under its prior, of test and of training images.

    Returns:
        dict from the tier's name to a dict with `test` and `train`.

    Raises:
        Skipped: if the priors have no likelihood, or know other classes.
    """
    return {
        tier.name: {
            "test": _bits(subject, tier, subject.codes, subject.labels),
            "train": _bits(subject, tier, subject.train_codes, subject.train_labels),
        }
        for tier in subject.progress(subject.tiers, "priors")
    }


def _bits(subject, tier, codes, labels):
    known, names = subject.pipeline.class_names, subject.data.class_names
    if subject.pipeline.num_classes and tuple(known) != tuple(names):
        raise Skipped(
            f"the priors know the classes {', '.join(known)}, the data has "
            f"{', '.join(names) or 'none'}"
        )
    prior = subject.pipeline.priors[tier.index]
    if prior.likelihood == "none":
        raise Skipped(f"{type(prior).__name__} has no likelihood")
    count = subject.sizes.some
    *above, grids = (grids[:count] for grids in codes[: tier.index + 1])
    labels = labels[:count] if prior.num_classes else None
    return prior_bits(prior, grids, labels, above)


def _bound(subject, section):
    if not subject.model.has_bound:
        subject.need_priors()
    images = subject.images

    def elbo(batch):
        return subject.model.elbo(batch, num_samples=DRAWS, seed=0)

    parts = in_batches(elbo, images)
    bound = {
        name: float(parts[name].mean()) for name in ("elbo", "log_likelihood", "kl")
    }
    section.add(bound)
    note = ""
    if subject.model.likelihood == "gaussian":
        continuous = in_batches(elbo, dequantized(images))["elbo"]
        bits = bits_per_dimension(continuous, images[0].size)
        section.add({"bits_per_dimension": bits})
        note = (
            f"{bits:.3f} bits per dimension of 8-bit images, from the bound of images "
            "with uniform noise within the steps of their values."
        )
    section.table(
        f"Evidence lower bound, {len(images):,} test images, {DRAWS} draws each",
        ("what", "nats per image"),
        bound.items(),
        note,
    )


def dequantized(images, seed=0):
    """8-bit images with uniform noise of one step of their values, 1 / 255.

    Args:
        images: float32 array in [-0.5, 0.5], multiples of 1 / 255 apart from that.
        seed: int.

    Returns:
        float32 array, same shape.

    Source: Theis, van den Oord and Bethge 2016, arXiv 1511.01844, section 3.1.
    """
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, images.shape)
    return (images + noise / STEPS).astype("float32")


def bits_per_dimension(elbo, num_values):
    """Mean bits for a value of an 8-bit image, from bounds of its density in nats.

    Args:
        elbo: floats `(N,)`, of dequantized images in [-0.5, 0.5].
        num_values: int, of an image.

    Returns:
        float; log2(255) for a density of 1 everywhere.
    """
    nats = -np.mean(elbo, dtype=np.float64) / num_values
    return float((nats + np.log(STEPS)) / np.log(2))

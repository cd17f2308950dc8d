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
    "frequencies of the codes alone (unigram) and raw indices need. If training "
    "images need far fewer bits than test images, the prior has memorized "
    "them. For a VAE: the evidence lower bound."
)
GLANCE = {"test_bits_per_pixel": "bits per pixel under the priors"}


def prior_figures(prior, grids, labels, grids_above):
    """What a prior needs for its tier.

    Args:
        prior: a prior of vqzoo.priors that has a likelihood.
        grids: int `(N, h, w)`, or what else the model's `grids` gives.
        labels: ints `(N,)`, or None where the data has no classes.
        grids_above: sequence of the same of the tiers above, top first.

    Returns:
        dict: `bits_per_code`, mean bits of a code; where there are real numbers beside
        them, also `nats_per_place`, mean negative log density of code and numbers.

    Raises:
        ValueError: if there are no codes.
    """
    labels = np.zeros(len(grids), "int32") if labels is None else labels

    def parts(grids, labels, *above):
        return prior.log_likelihoods(grids, prior.condition(labels, above))

    found = in_batches(parts, grids, labels, *grids_above, batch_size=256)
    places = np.prod(grids.shape[:3])
    nats = [-float(np.sum(part, dtype=np.float64)) / places for part in found]
    figures = {"bits_per_code": nats[0] / np.log(2)}
    return figures | ({"nats_per_place": sum(nats)} if len(nats) > 1 else {})


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
        figures = subject.tier_figures[tier.name]
        bits = {split: row["bits_per_code"] for split, row in figures.items()}
        for split, row in figures.items():
            if "nats_per_place" in row:
                key = f"{tier.name}_{split}_nats_per_place"
                section.add({key: row["nats_per_place"]})
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
    note = (
        "These are bits of the codes alone: the numbers beside them have a density "
        "but no bits."
    )
    if not subject.model.is_hybrid:
        section.add({f"{split}_bits_per_pixel": v for split, v in per_pixel.items()})
        note = (
            f"All tiers of an image together: {per_pixel['test']:.4f} bits per pixel "
            f"({per_pixel['train']:.4f} of training images)."
        )
    header = ("tier", "prior, test", "prior, training", "frequencies", "raw")
    section.table("Bits per code", header, rows, note)


def tier_figures(subject):
    """What each tier needs under its prior, of test and of training images.

    Returns:
        dict from the tier's name to a dict with `test` and `train`, as in
        `prior_figures`.

    Raises:
        Skipped: if the priors have no likelihood, or know other classes.
    """
    return {
        tier.name: {
            "test": _figures(subject, tier, subject.grids, subject.labels),
            "train": _figures(subject, tier, subject.train_grids, subject.train_labels),
        }
        for tier in subject.progress(subject.tiers, "priors")
    }


def _figures(subject, tier, grids, labels):
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
    *above, own = (grid[:count] for grid in grids[: tier.index + 1])
    labels = labels[:count] if prior.num_classes else None
    return prior_figures(prior, own, labels, above)


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

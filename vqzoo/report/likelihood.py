"""The section on how well priors know the codes."""

import numpy as np

from vqzoo import measures
from vqzoo.report.document import Skipped

TEXT = (
    "Bits that the priors need for a code of the test images, beside what the "
    "frequencies of the codes alone and raw indices need; and of training images: "
    "where those need much less, the prior has learned them by heart. Of a VAE, the "
    "evidence lower bound."
)


def fill(subject, section):
    """Bits per code of each tier and per pixel of the images."""
    if subject.drawn is None:
        _bound(subject, section)
        return
    rows, per_pixel = [], {"test": 0.0, "train": 0.0}
    for tier in subject.tiers:
        found = tier_bits(subject)[tier.name]
        codes = subject.codes[tier.index]
        unigram = measures.unigram_bits(
            subject.train_codes[tier.index], codes, tier.num_embeddings
        )
        raw = float(np.log2(tier.num_embeddings))
        rows.append((tier.name, found["test"], found["train"], unigram, raw))
        section.add({f"{tier.name}_{k}_bits_per_code": v for k, v in found.items()})
        section.add({f"{tier.name}_unigram_bits_per_code": unigram})
        for split in per_pixel:
            count = np.prod(codes.shape[1:])
            per_pixel[split] += found[split] * count / subject.num_pixels
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
    if not hasattr(subject, "_tier_bits"):
        subject._tier_bits = {
            tier.name: {
                "test": _bits(subject, tier, subject.codes, subject.labels),
                "train": _bits(
                    subject, tier, subject.train_codes, subject.train_labels
                ),
            }
            for tier in subject.progress(subject.tiers, "priors")
        }
    return subject._tier_bits


def need_same_classes(subject):
    """Raises Skipped where priors with classes meet data with others."""
    drawn, names = subject.drawn, subject.data.class_names
    if drawn.num_classes and tuple(drawn.class_names) != tuple(names):
        raise Skipped(
            f"the priors know the classes {', '.join(drawn.class_names)}, the data has "
            f"{', '.join(names) or 'none'}"
        )


def _bits(subject, tier, codes, labels):
    need_same_classes(subject)
    prior = subject.drawn.priors[tier.index]
    if prior.likelihood == "none":
        raise Skipped(f"{type(prior).__name__} has no likelihood")
    count = subject.sizes.some
    *above, own = (grids[:count] for grids in codes[: tier.index + 1])
    labels = labels[:count] if prior.num_classes else None
    return measures.prior_bits(prior, own, labels, above)


def _bound(subject, section):
    if not subject.model.has_bound:
        raise Skipped("there is no prior: give the folder of a prior's run")
    images = subject.images[: subject.sizes.some]
    parts = measures.in_batches(lambda batch: subject.model.elbo(batch, seed=0), images)
    found = {
        name: float(parts[name].mean()) for name in ("elbo", "log_likelihood", "kl")
    }
    section.add(found)
    section.table(
        f"Evidence lower bound, {len(images):,} test images",
        ("what", "nats per image"),
        found.items(),
    )

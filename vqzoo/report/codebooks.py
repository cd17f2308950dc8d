"""The sections on codebooks and on what the maps of codes carry."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures import bypass, codebook
from vqzoo.report.document import Skipped

TEXT = (
    "How many codes are in use over all test images (perplexity is as many equally "
    "used codes as would be as hard to guess), and whether indices have an order: the "
    "distance of codes with neighboring indices over that of random pairs, 1 without "
    "order, near 0 along a smooth path; and the rank correlation of the distance of "
    "indices with that of codes, 0 without order, 1 along a line."
)
MAPS_TEXT = (
    "Indices as gray images, and what is lost when the codes of one tier come from "
    "other images: a tier whose shuffling costs next to nothing is bypassed. The "
    "information of an index about the label is the mean over the places of the grid."
)
LARGEST = 16_384  # codes of which distances are compared and drawn
SHOWN = 7


def fill(subject, section):
    """Usage and order of each codebook."""
    subject.need_codes()
    usage_rows, order_rows = [], []
    for tier, codes in zip(subject.tiers, subject.codes):
        size = tier.num_embeddings
        used = measures.codebook_usage(codes, size, tier.code_axes)
        section.add(used, f"{tier.name}_")
        usage_rows.append(
            (
                tier.name,
                size,
                used["usage"],
                used["perplexity"],
                _whole(used["dead_codes"]),
            )
        )
    for name, book, size, codes in codebook.each_index(subject.model, subject.codes):
        with section.attempt(f"order of the {name} codes"):
            if size > LARGEST:
                raise Skipped(f"{size:,} codes are too many to compare")
            order_rows.append(_order(section, name, book))
            counts = np.bincount(codes.ravel(), minlength=size)
            section.picture(
                f"Codes of the {name} tier",
                "The codes on the two main axes of their codebook, colored by index "
                "and joined in their order: a smooth path of color is an ordered "
                "codebook, speckle has no order. Hollow codes are not in use.",
                plots.codebook_pca({name: book}, {name: counts}),
                width=4.8,
            )
    section.table(
        f"Use of the codes, {len(subject.images):,} test images",
        ("tier", "codes", "share in use", "set perplexity", "dead codes"),
        usage_rows,
    )
    if order_rows:
        header = ("tier", "neighbors over random pairs", "rank correlation")
        section.table("Order of the indices", header, order_rows)


def _whole(value):
    """A count as an int; a mean over several indices as it is."""
    return int(value) if value == int(value) else value


def _order(section, name, book):
    key = name.replace(" ", "_")
    ordering = codebook.codebook_ordering(book)
    correlation = codebook.index_rank_correlation(book)
    section.add({f"{key}_ordering": ordering, f"{key}_rank_correlation": correlation})
    return name, ordering, correlation


def fill_maps(subject, section):
    """What each tier carries, and how its maps of indices look."""
    subject.need_codes()
    _show_maps(subject, section)
    with section.attempt("information about the label"):
        _information(subject, section)
    with section.attempt("shuffled tiers"):
        _shuffle(subject, section)


def _show_maps(subject, section):
    rows = {"image": subject.images[:SHOWN]}
    for name, _, size, codes in codebook.each_index(subject.model, subject.codes, 1):
        gray = codes[:SHOWN, ..., None] / max(size - 1, 1) - 0.5
        rows[name.replace(" ", "\n")] = gray
    section.picture(
        "Maps of code indices",
        "Above, test images; below, the index at each place of each tier, black 0 to "
        "white K - 1. Where indices are ordered the maps look like the image.",
        plots.strips(rows),
    )


def _information(subject, section):
    subject.need_labels()
    if len(np.unique(subject.labels)) < 2:
        raise Skipped("all images are of one class")
    found = {}
    for name, _, size, codes in codebook.each_index(subject.model, subject.codes, 1):
        found[name] = bypass.label_information(codes, subject.labels, size)
    section.add({f"{n.replace(' ', '_')}_label_bits": v for n, v in found.items()})
    section.table(
        "Information of one index about the label",
        ("tier", "bits"),
        found.items(),
        f"The label itself has {_entropy(subject.labels):.2f} bits.",
    )


def _entropy(labels):
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-np.sum(shares * np.log2(shares)))


def _shuffle(subject, section):
    subject.need_whole_codes()
    if subject.model.decoded_tiers != tuple(subject.model.tier_names):
        raise Skipped(
            "each tier of this model is decoded by itself, so that shuffling another "
            "one changes nothing; its own reconstruction says what it holds"
        )
    names = [tier.name for tier in subject.tiers]
    count = subject.sizes.some
    found = bypass.shuffled_tiers(
        subject.decode, subject.some_codes(count), subject.images[:count], names
    )
    section.add(found)
    section.table(
        "PSNR lost when one tier comes from other images",
        ("tier", "loss (dB)"),
        [(name, found[f"{name}_shuffled_loss"]) for name in names],
    )
    for name in names:
        loss = found[f"{name}_shuffled_loss"]
        carries = (
            "carries next to nothing: it is bypassed"
            if found[f"{name}_bypassed"]
            else "is needed"
        )
        section.remarks.append(
            f"The {name} tier {carries} (its codes from other images cost {loss:.2f} "
            f"dB; below {bypass.LEAST_LOSS} dB counts as bypassed)."
        )

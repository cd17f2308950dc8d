"""The section on what images lose when indices change."""

import numpy as np

from vqzoo import measures, plots
from vqzoo.measures.brittleness import brittleness, perturb
from vqzoo.report.document import Skipped

TEXT = (
    "A share of the indices of one tier moves up or down by a distance in the "
    "codebook. PSNR is against the images of the codes as they were; agreement is the "
    "share of images that the judge still gives the same class. In a brittle codebook "
    "a distance of 1 is as bad as one of 50."
)
SHARES = (0.1, 0.25, 0.5, 1.0)
DISTANCES = (1, 2, 5, 10, 50)
SHOWN = 7


def fill(subject, section):
    """Curves and pictures for each tier."""
    subject.need_whole_codes()
    for tier in subject.progress(subject.tiers, "tiers"):
        with section.attempt(f"the {tier.name} tier"):
            _measure(subject, section, tier)


def _measure(subject, section, tier):
    codes = subject.some_codes(subject.sizes.few)
    distances = [d for d in DISTANCES if d < tier.num_embeddings]
    if not distances:
        raise Skipped("a codebook of one code has no other index")
    rows = brittleness(
        subject.decode,
        codes,
        tier.num_embeddings,
        tier=tier.index,
        shares=SHARES,
        distances=distances,
        classify=subject.judge.classify if subject.has_judge else None,
    )
    for row in rows:
        key = f"{tier.name}_{row['share']:g}_{row['distance']}"
        section.add({f"{key}_{k}": v for k, v in row.items() if k in _KINDS})
    for kind, (words, unit) in _KINDS.items():
        if kind in rows[0]:
            _draw(section, tier, rows, kind, words, unit)
    _show(subject, section, tier, codes, distances)
    if not subject.has_judge:
        raise Skipped("no agreement of a classifier: there is no judge of this data")


_KINDS = {
    "psnr": ("PSNR", "PSNR to the unchanged image (dB)"),
    "agreement": ("Agreement", "share that keep their class"),
}


def _draw(section, tier, rows, kind, words, unit):
    series = {}
    for share in SHARES:
        of_share = [row for row in rows if row["share"] == share]
        series[f"{share:.0%} of the indices"] = (
            [row["distance"] for row in of_share],
            [row[kind] for row in of_share],
        )
    section.picture(
        f"{words} after moving indices of the {tier.name} tier",
        "The higher and the flatter, the less brittle.",
        plots.curves(
            series,
            "distance in the codebook (indices)",
            unit,
            log_x=True,
            limits=(0.0, 1.03) if kind == "agreement" else None,
        ),
    )


def _show(subject, section, tier, codes, distances):
    first = tuple(each[:SHOWN] for each in codes)
    rows = {"decoded": measures.decode_all(subject.decode, first)}
    for distance in distances:
        other = list(first)
        other[tier.index] = perturb(
            first[tier.index], tier.num_embeddings, 0.25, distance
        )
        changed = measures.decode_all(subject.decode, tuple(other))
        rows[f"moved\nby {distance}"] = np.clip(changed, -0.5, 0.5)
    section.picture(
        f"A quarter of the {tier.name} indices moved",
        "From top to bottom the indices move further.",
        plots.strips(rows),
    )

"""What an image loses when some of its codes become others."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.arguments import check_not_negative
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import decode_with, in_batches
from vqzoo.measures.reconstruction import reconstruction_error
from vqzoo.ops import main_axis_order

ORDER = 8
TITLE = "Brittleness"
TEXT = (
    "Some indices of one tier move up or down by a distance in the codebook. "
    "PSNR compares with the image of the unmoved codes. Agreement is the share "
    "of images that the judge still puts into the same class. In a brittle "
    "codebook a distance of 1 is as bad as one of 50."
)
SHARES = (0.1, 0.25, 0.5, 1.0)
DISTANCES = (1, 2, 5, 10, 50)
# Of codes that are sorted first: a few, as each takes an image of every code map.
SORTED_SHARES, SORTED_DISTANCES = (0.25, 1.0), (1, 10)
SHOWN = 7


def perturb(codes, num_embeddings, share, distance, seed=0):
    """Moves a share of the indices by a distance up or down.

    Args:
        codes: int array `(N, h, w)` in [0, K).
        num_embeddings: int, K.
        share: float in [0, 1], part of the positions, chosen at random.
        distance: int, 0 or more, by how much an index moves. One that would leave the
            codebook moves the other way, or to an end of the codebook where both would.
        seed: int.

    Returns:
        int32 `(N, h, w)`.

    Raises:
        ValueError: if `share` or `distance` is out of its range.

    Source: Coppock's thesis, section 4.1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected share in [0, 1], received {share=}")
    check_not_negative(distance=distance)
    codes = np.asarray(codes, "int64")
    generator = np.random.default_rng(seed)
    sign = generator.choice([-1, 1], size=codes.shape)
    moved = codes + sign * distance
    outside = (moved < 0) | (moved >= num_embeddings)
    moved = np.where(outside, codes - sign * distance, moved)
    moved = np.clip(moved, 0, num_embeddings - 1)
    chosen = generator.random(codes.shape) < share
    return np.where(chosen, moved, codes).astype("int32")


def brittleness(
    decode,
    codes,
    num_embeddings,
    *,
    tier,
    shares=SHARES,
    distances=DISTANCES,
    classify=None,
    seed=0,
):
    """PSNR, and agreement of a classifier, after indices of a tier were perturbed.

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int arrays `(N, h, w)`, top first.
        num_embeddings: int, K of the tier.
        tier: int, which codes are perturbed.
        shares: parts of the positions.
        distances: by how much the indices move.
        classify: function from images to labels `(N,)`, below 0 where it names none, or
            None.
        seed: int.

    Returns:
        list of dicts: `share`, `distance`, `psnr` against the images of the codes as
        they were, and with a classifier `agreement`, the share of images that have a
        label and keep it.

    Source: Coppock's thesis, section 4.1 and figure 4.1.
    """
    images = np.clip(in_batches(decode, codes), -0.5, 0.5)
    labels = None if classify is None else np.asarray(classify(images))
    rows = []
    for share in shares:
        for distance in distances:
            moved = perturb(codes[tier], num_embeddings, share, distance, seed)
            changed = decode_with(decode, codes, tier, moved)
            row = {"share": share, "distance": distance}
            row["psnr"] = reconstruction_error(images, changed)["psnr"]
            if labels is not None:
                kept = np.asarray(classify(changed)) == labels
                row["agreement"] = float(np.mean(kept & (labels >= 0)))
            rows.append(row)
    return rows


@registry.named("brittleness")
def measure(subject, section):
    """Curves and pictures for each tier."""
    subject.need_whole_codes()
    for tier in subject.progress(subject.tiers, "tiers"):
        with section.attempt(f"the {tier.name} tier"):
            _measure_tier(subject, section, tier)


def _measure_tier(subject, section, tier):
    codes = subject.some_codes(subject.sizes.few)
    distances = [d for d in DISTANCES if d < tier.num_embeddings]
    if not distances:
        raise Skipped("a codebook of one code has no other index")
    rows = brittleness(
        subject.decode,
        codes,
        tier.num_embeddings,
        tier=tier.index,
        distances=distances,
        classify=subject.judge.classify if subject.has_judge else None,
    )
    _add(section, tier.name, rows)
    with section.attempt(f"{tier.name} codes, sorted afterwards"):
        _measure_sorted(subject, section, tier, codes)
    _draw(section, tier, rows, "psnr", "PSNR", "PSNR to the unchanged image (dB)")
    if subject.has_judge:
        share, limits = "share that keep their class", (0.0, 1.03)
        _draw(section, tier, rows, "agreement", "Agreement", share, limits=limits)
    section.picture(
        f"A quarter of the {tier.name} indices moved",
        "From top to bottom, the indices move further.",
        lambda: plots.strips(_moved(subject, tier, codes, distances)),
    )
    if not subject.has_judge:
        raise Skipped("no agreement of a classifier: there is no judge of this data")


def _measure_sorted(subject, section, tier, codes):
    """What is left where the codes are sorted along their main axis first.

    Sorting changes no image: it says how much of the order is noise's, how much could
    be had afterwards.
    """
    order = np.asarray(main_axis_order(tier.codebook))
    place = np.argsort(order)

    def decode(codes):
        codes = list(codes)
        codes[tier.index] = order[codes[tier.index]]
        return subject.decode(tuple(codes))

    moved = list(codes)
    moved[tier.index] = place[codes[tier.index]]
    rows = brittleness(
        decode,
        tuple(moved),
        tier.num_embeddings,
        tier=tier.index,
        shares=SORTED_SHARES,
        distances=[d for d in SORTED_DISTANCES if d < tier.num_embeddings],
        classify=subject.judge.classify if subject.has_judge else None,
    )
    _add(section, f"{tier.name}_sorted", rows)
    section.table(
        f"The {tier.name} codes sorted along their main axis first",
        ("share moved", "by", "PSNR (dB)"),
        [(row["share"], row["distance"], row["psnr"]) for row in rows],
    )


def _add(section, name, rows):
    for row in rows:
        key = f"{name}_{row['share']:g}_{row['distance']}"
        section.add({f"{key}_{k}": row[k] for k in ("psnr", "agreement") if k in row})


def _draw(section, tier, rows, kind, words, unit, **options):
    series = {}
    for share in SHARES:
        points = [row for row in rows if row["share"] == share]
        series[f"{share:.0%} of the indices"] = (
            [row["distance"] for row in points],
            [row[kind] for row in points],
        )
    section.picture(
        f"{words} after moving indices of the {tier.name} tier",
        "A high and flat curve means a codebook that is not brittle.",
        lambda: plots.curves(
            series, "distance in the codebook (indices)", unit, log_x=True, **options
        ),
    )


def _moved(subject, tier, codes, distances):
    codes = tuple(grids[:SHOWN] for grids in codes)
    rows = {"decoded": in_batches(subject.decode, codes)}
    for distance in distances:
        moved = perturb(codes[tier.index], tier.num_embeddings, 0.25, distance)
        rows[f"moved\nby {distance}"] = decode_with(
            subject.decode, codes, tier.index, moved
        )
    return rows

"""Edits of the codes of two images: one by one, by noise, by swapping tiers."""

import dataclasses

import numpy as np

from vqzoo.app import pictures
from vqzoo.measures.brittleness import perturb
from vqzoo.metrics.psnr import psnr

IMAGES = ("First image", "Second image")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edits:
    """Codes of the two images: tuples of int32 `(2, h, w, P)`, top first.

    Args:
        now: as they were edited.
        before: as the model gave them.
    """

    now: tuple
    before: tuple


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """The position of an index.

    Args:
        image: int, 0 or 1.
        code_map: `CodeMap`.
        row: int.
        column: int.
    Raises: ValueError: if it is outside the grid of the map.
    """

    image: int
    code_map: object
    row: int
    column: int

    def __post_init__(self):
        height, width = self.code_map.grid
        if not (0 <= self.row < height and 0 <= self.column < width):
            raise ValueError(
                f"expected a place on the grid of {height} x {width}, received "
                f"row={self.row}, column={self.column}"
            )

    @property
    def index(self):
        """Index of the position in the codes of its tier."""
        return self.image, self.row, self.column, self.code_map.part


def begin(explored, images):
    """The unedited codes of two images `(2, H, W, C)`: `Edits`."""
    codes = explored.encode(images)
    return Edits(now=codes, before=codes)


def set_code(edits, place, code):
    """Edits with another index at a position.

    Raises:
        ValueError: if the codebook has no such index.
    """
    if not 0 <= code < place.code_map.num_embeddings:
        raise ValueError(
            f"expected an index in [0, {place.code_map.num_embeddings}), received "
            f"{code}"
        )
    changed = edits.now[place.code_map.tier].copy()
    changed[place.index] = code
    return _with_tier(edits, place.code_map.tier, changed)


def perturb_map(edits, place, share, distance, seed):
    """Edits with a share of the indices of a map moved by a distance up or down."""
    changed = edits.now[place.code_map.tier].copy()
    where = np.s_[place.image, :, :, place.code_map.part]
    size = place.code_map.num_embeddings
    changed[where] = perturb(changed[where], size, share, distance, seed)
    return _with_tier(edits, place.code_map.tier, changed)


def swap(edits, tier):
    """Edits with the codes of a tier exchanged between the two images."""
    return _with_tier(edits, tier, edits.now[tier][::-1].copy())


def reset(edits):
    """Edits with the codes that the model gave."""
    return dataclasses.replace(edits, now=edits.before)


def _with_tier(edits, tier, changed):
    now = (*edits.now[:tier], changed, *edits.now[tier + 1 :])
    return dataclasses.replace(edits, now=now)


def square_at(x, y, grid):
    """Row and column of the square at a point of a map's picture, in pixels."""
    sides = pictures.code_map_shape(grid)
    return tuple(
        min(int(place * count / side), count - 1)
        for place, count, side in zip((y, x), grid, sides)
    )


def look(explored, edited, place, shown):
    """What the tab shows.

    Args:
        explored: `Explored`.
        edited: `Edits`.
        place: `Place`, the chosen square.
        shown: ints, the tiers that the decoder sees.

    Returns:
        `(code_map, first, second, text)`: three uint8 pictures and Markdown. Without a
        tier the images are None and the text says so.
    """
    tier, size = place.code_map.tier, place.code_map.num_embeddings
    codes = edited.now[tier][place.image, :, :, place.code_map.part]
    code_map = pictures.code_map(codes, size, (place.row, place.column))
    if not shown:
        return code_map, None, None, "All tiers are off. Switch at least one on."
    stacked = [np.concatenate(pair) for pair in zip(edited.now, edited.before)]
    both = explored.decode(stacked, shown)
    images, unedited = both[:2], both[2:]
    text = _figures(edited, place, images, unedited)
    return code_map, *map(pictures.picture, images), text


def _figures(edited, place, images, unedited):
    tier = place.code_map.tier
    code, before = (c[tier][place.index] for c in (edited.now, edited.before))
    was = "" if code == before else f" (was {before})"
    lines = [
        f"**{IMAGES[place.image]}, {place.code_map.name}**, row {place.row}, column "
        f"{place.column}: index **{code}**{was}."
    ]
    for which, name in enumerate(IMAGES):
        pairs = zip(edited.now, edited.before)
        moved = sum(int(np.sum(a[which] != b[which])) for a, b in pairs)
        total = sum(codes[which].size for codes in edited.now)
        if not moved:
            continue
        if np.abs(images[which] - unedited[which]).max() < 0.5 / 255:
            effect = "the image is the same, because the decoder does not use them"
        else:
            decibels = psnr(unedited[which : which + 1], images[which : which + 1])
            effect = f"PSNR {float(decibels[0]):.1f} dB to the image without them"
        lines.append(f"{name}: {moved:,} of {total:,} codes changed, {effect}.")
    return "  \n".join(lines)

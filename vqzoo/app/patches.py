"""What single codes paint, and sheets of it."""

import numpy as np

from vqzoo.app import pictures

PAGES = (64, 512)  # fewest and most codes of a sheet
ROW = 32
SHEET_WIDTH = 1024  # pixels, at least
_PIXELS = 2**19  # that are decoded for a sheet, unless it would have too few codes


def paint(explored, code_map, codes):
    """What the decoder paints if one code fills all positions of its tier.

    The other tiers are off. The middle of the image is cut out, two codes wide or 8
    pixels, whichever is more.

    Args:
        explored: `Explored`.
        code_map: `CodeMap`.
        codes: ints `(N,)`.

    Returns:
        float32 `(N, height, width, C)`.

    Raises:
        ValueError: if a latent of the tier has several codes.
    """
    if explored.several_codes(code_map.tier):
        raise ValueError(
            "A single code paints nothing here: each latent of this tier is made of "
            "several codes."
        )
    grid = np.asarray(codes, "int32")[:, None, None, None]
    given = [None] * len(explored.tiers)
    given[code_map.tier] = np.broadcast_to(grid, (len(codes), *code_map.grid, 1))
    images = explored.decode(given, [code_map.tier])
    height, width = explored.image_shape[:2]
    size = patch_side(explored, code_map)
    top, left = (height - size) // 2, (width - size) // 2
    return images[:, top : top + size, left : left + size]


def patch_side(explored, code_map):
    """Pixels of a side of a patch."""
    height, width = explored.image_shape[:2]
    return min(height, width, max(8, 2 * height // code_map.grid[0]))


def page_of(explored, code_map, code):
    """The codes on the sheet that a code stands on: a range."""
    fewest, most = PAGES
    height, width = explored.image_shape[:2]
    size = min(max(_PIXELS // (height * width), fewest), most)
    first = code // size * size
    return range(first, min(first + size, code_map.num_embeddings))


def sheet(painted, marked):
    """Patches in rows of 32 with a frame around one of them.

    Args:
        painted: float `(N, side, side, C)`, as in `paint`.
        marked: int, which one has the frame.

    Returns:
        uint8 `(height, width, 3)`, a square cell for each.
    """
    count, side = painted.shape[:2]
    cells = np.full((-(-count // ROW) * ROW, side + 1, side + 1, 3), pictures.WHITE)
    cells[:count, :side, :side] = pictures.to_bytes(painted)
    rows = cells.reshape(-1, ROW, side + 1, side + 1, 3).swapaxes(1, 2)
    page = rows.reshape(-1, ROW * (side + 1), 3).astype(np.uint8)
    factor = _magnification(side)
    page = pictures.magnify(page, factor)
    cell = (side + 1) * factor
    pictures.frame(page, *divmod(marked, ROW), cell, max(2, cell // 8))
    return page


def code_at(explored, code_map, code, x, y):
    """The code at a point, in pixels, of the sheet that `code` stands on."""
    side = patch_side(explored, code_map)
    cell = (side + 1) * _magnification(side)
    codes = page_of(explored, code_map, code)
    return codes[min(int(y) // cell * ROW + int(x) // cell, len(codes) - 1)]


def _magnification(side):
    return -(-SHEET_WIDTH // (ROW * (side + 1)))

"""Films of digits and shapes that move and bounce, rendered on demand."""

import numpy as np

from vqzoo.datasets import sprites
from vqzoo.datasets.films import SIDE, Films
from vqzoo.datasets.splits import Splits

# Rows of three pixels of each digit, in octal.
DIGITS = "75557 26227 71747 71717 55711 74717 74757 71111 75757 75717".split()
OBJECTS = 2
FRAMES = 20
SIZES = {"train": 1024, "validation": 32, "test": 32}
_COLORS = ((255, 80, 80), (80, 220, 80), (90, 130, 255), (240, 220, 60))


def load_moving_sprites(
    image_size: int | None = None, channels: int | None = None
) -> Splits:
    """The frames of `films_of` as images.

    Args:
        image_size: int, at least 16. Defaults to 64.
        channels: 1 or 3. Defaults to 3.

    Raises:
        ValueError: if the frames are too small for the shapes.
    """
    return films_of(image_size or SIDE).frames(channels)


def films_of(side: int = SIDE, share: float = 1.0) -> Films:
    """Films of two objects each: 1,024 for training, 32 for each of the other splits.

    Args:
        side: int, of the frames, at least 16.
        share: float in (0, 1], part of each split to render.

    Raises:
        ValueError: if the frames are too small for the shapes.
    """
    counts = {name: max(2, round(share * size)) for name, size in SIZES.items()}
    rendered = {
        name: [*render(count, side, seed=number)]
        for number, (name, count) in enumerate(counts.items())
    }
    return Films(
        **rendered,
        name="moving_sprites",
        fingerprint=f"moving_sprites 1, {side}, {counts}",
        source="moving_sprites",
    )


def render(count: int, side: int = SIDE, frames: int = FRAMES, seed: int = 0):
    """Films: uint8 `(count, frames, side, side, 3)`.

    Two objects, each one of ten digits and three shapes in one of four colors, move at
    constant speed and bounce at the edges. The second one covers the first.

    Raises:
        ValueError: if the side is below 16.

    Source: Srivastava et al. 2015 (moving MNIST), arXiv 1502.04681. Differs: our own
        digits and shapes, in colors.
    """
    if side < 16:
        raise ValueError(f"expected frames of 16 pixels or more, received {side}")
    glyphs = [*_digits(side), *_shapes(side)]
    generator = np.random.default_rng(seed)
    films = np.zeros((count, frames, side, side, 3), np.uint8)
    for film in films:
        for _ in range(OBJECTS):
            glyph = glyphs[generator.integers(len(glyphs))]
            tint = np.array(_COLORS[generator.integers(len(_COLORS))], np.uint8)
            room = np.array((side, side)) - glyph.shape
            first = generator.uniform(0, room)
            speed = generator.uniform(0.02, 0.06, size=2) * side
            speed *= generator.choice((-1, 1), size=2)
            for number, frame in enumerate(film):
                top, left = _bounced(first + number * speed, room)
                height, width = glyph.shape
                frame[top : top + height, left : left + width][glyph] = tint
    return films


def _bounced(places, room):
    """Folds positions on an infinite line into [0, room]."""
    folded = np.mod(places, 2 * room)
    return np.rint(np.minimum(folded, 2 * room - folded)).astype(int)


def _digits(side):
    """Masks of the digits, bool `(height, width)`, a third as high as the frames."""
    scale = max(1, side // 16)
    for rows in DIGITS:
        bits = [[int(row) >> place & 1 for place in (2, 1, 0)] for row in rows]
        yield np.kron(bits, np.ones((scale, scale), int)).astype(bool)


def _shapes(side):
    """Masks of the shapes of `sprites`, cropped."""
    factors = [[shape, 5, 0, 16, 16] for shape in range(len(sprites.SHAPES))]
    for image in sprites.images(np.array(factors), side)[..., 0] > 0:
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        yield image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

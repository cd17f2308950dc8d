"""Arrays of images and codes as pictures: uint8, large enough to look at."""

import numpy as np

from vqzoo.images import to_uint8

LEAST_SIDE = 256  # pixels of a picture's short side
MAP_SIDE = 384  # pixels, at least, of the long side of a picture of codes
STRIP_HEIGHT = 64  # pixels, at least, of a picture of codes in a row
GAP = 0.06  # of the side of an image, between images in a row
WHITE = 255
MARK = np.array([230, 60, 20], np.uint8)


def to_bytes(image):
    """An image float `(..., H, W, C)` in [-0.5, 0.5] as uint8 `(..., H, W, 3)`."""
    levels = to_uint8(np.asarray(image))
    return np.repeat(levels, 3, axis=-1) if levels.shape[-1] == 1 else levels


def enlarge(pixels, least_side=LEAST_SIDE):
    """Every pixel as a square, so that the short side has `least_side` pixels or more.

    Args:
        pixels: `(H, W, ...)`.
        least_side: int.
    """
    return magnify(pixels, max(1, -(-least_side // min(pixels.shape[:2]))))


def magnify(pixels, factor):
    """Every pixel as a square of `factor` by `factor`."""
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def picture(image):
    """An image float `(H, W, C)` in [-0.5, 0.5] as an enlarged uint8 picture."""
    return enlarge(to_bytes(image))


def shades(values, white):
    """Values of at least 0 as gray pixels: uint8 `(..., 3)`, black for 0.

    Args:
        values: `(...)`.
        white: the greatest value, which is white.
    """
    gray = np.round(values / max(white, 1e-6) * 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=-1)


def error_map(image, rebuilt):
    """Where an image and its reconstruction differ.

    Args:
        image: float `(H, W, C)` in [-0.5, 0.5].
        rebuilt: same shape.

    Returns:
        `(pixels, white)`: uint8 `(H, W, 3)`, the absolute difference, mean of the
        channels, black for none; and how many of 255 levels are white, at least 1.
    """
    levels = np.abs(np.asarray(image) - rebuilt).mean(axis=-1) * 255
    white = max(1.0, float(levels.max()))
    return shades(levels, white), white


def code_map(codes, num_embeddings, marked=None):
    """A grid of codes as gray squares, black for 0 and white for K - 1.

    Args:
        codes: int `(h, w)`.
        num_embeddings: int, K.
        marked: `(row, column)` of a square to frame, or None.

    Returns:
        uint8 `(H, W, 3)`, squares of one size; of a single row, bars.
    """
    height, width = (
        side // count for side, count in zip(code_map_shape(codes.shape), codes.shape)
    )
    pixels = shades(codes, max(1, num_embeddings - 1))
    pixels = pixels.repeat(height, axis=0).repeat(width, axis=1)
    if marked is not None:
        line = max(2, min(height, width) // 8)
        frame(pixels, *marked, (height, width), line)
    return pixels


def code_map_shape(grid):
    """Height and width of the picture that `code_map` makes of a grid."""
    factor = -(-MAP_SIDE // max(grid))
    height = max(factor, STRIP_HEIGHT) if grid[0] == 1 else factor
    return grid[0] * height, grid[1] * factor


def frame(pixels, row, column, side, width):
    """Draws a frame around a square of a picture, in place.

    Args:
        pixels: uint8 `(H, W, 3)`.
        row: int, of the square.
        column: int, of the square.
        side: int, pixels of a square, or its height and width.
        width: int, pixels of the line, within the square.
    """
    height, across = np.broadcast_to(side, 2)
    top, left = row * height, column * across
    square = pixels[top : top + height, left : left + across]
    inside = square[width:-width, width:-width].copy()
    square[:] = MARK
    if inside.size:
        square[width:-width, width:-width] = inside


def sheet(images, columns, least_side=LEAST_SIDE):
    """Images side by side on white, row after row.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5], N of at least 1.
        columns: int, images in a row.
        least_side: int, pixels of the short side of each row of images.

    Returns:
        uint8 `(height, width, 3)`.
    """
    pixels = to_bytes(images)
    count, height, width, _ = pixels.shape
    columns = min(columns, count)
    gap = max(1, round(GAP * min(height, width)))
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    page = np.full(shape, WHITE, np.uint8)
    for index, image in enumerate(pixels):
        top, left = (
            place * (side + gap)
            for place, side in zip(divmod(index, columns), (height, width))
        )
        page[top : top + height, left : left + width] = image
    return enlarge(page, least_side)


def to_pixels(figure):
    """A matplotlib figure as uint8 `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

"""Images of one white shape whose five factors are known, rendered when asked for.

The factors are those of dSprites: shape, scale, orientation and the two positions, in
the same numbers of values, so that measures of disentanglement run without a download.
"""

import numpy as np

FACTOR_NAMES = ("shape", "scale", "orientation", "x", "y")
FACTOR_SIZES = (3, 6, 40, 32, 32)
SHAPES = ("square", "ellipse", "heart")
SIDE = 64
_RADIUS = 0.16  # of the largest sprite, in sides of the image
_BATCH = 512  # images rendered at once


def sample_factors(count: int, generator: np.random.Generator) -> np.ndarray:
    """Factors drawn evenly: int `(count, 5)`."""
    return np.stack([generator.integers(n, size=count) for n in FACTOR_SIZES], axis=1)


def images(factors: np.ndarray) -> np.ndarray:
    """Images of factors.

    Args:
        factors: int `(N, 5)`, each below its size.

    Returns:
        Float32 `(N, 64, 64, 1)`, -0.5 outside of the shape and 0.5 within.

    Raises:
        ValueError: if a factor is out of its range.

    Source: Matthey et al. 2017, dSprites: the grid of factors. Differs: the shapes are
        drawn by us; each stays whole within the image.
    """
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(FACTOR_SIZES):
        raise ValueError(f"expected factors (N, 5), received shape {factors.shape}")
    if len(factors) and ((factors < 0) | (factors >= FACTOR_SIZES)).any():
        raise ValueError(
            f"expected factors below {FACTOR_SIZES}, received values from "
            f"{factors.min(axis=0).tolist()} to {factors.max(axis=0).tolist()}"
        )
    parts = [
        _render(factors[start : start + _BATCH])
        for start in range(0, len(factors), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, SIDE, SIDE, 1), "float32")


def _render(factors):
    shape, scale, orientation, x, y = factors.T
    radius = _RADIUS * (0.5 + 0.5 * scale / (FACTOR_SIZES[1] - 1))
    angle = 2 * np.pi * orientation / FACTOR_SIZES[2]
    low, high = 0.25, 0.75
    center_x = low + (high - low) * x / (FACTOR_SIZES[3] - 1)
    center_y = low + (high - low) * y / (FACTOR_SIZES[4] - 1)
    place = (np.arange(SIDE) + 0.5) / SIDE

    def each(values):
        return values[:, None, None]

    right = (place[None, None, :] - each(center_x)) / each(radius)
    down = (place[None, :, None] - each(center_y)) / each(radius)
    cosine, sine = each(np.cos(angle)), each(np.sin(angle))
    u, v = cosine * right + sine * down, -sine * right + cosine * down
    inside = np.select(
        [each(shape) == 0, each(shape) == 1, each(shape) == 2],
        [
            np.maximum(np.abs(u), np.abs(v)) <= 1.0,
            u**2 + (2 * v) ** 2 <= 1.6,
            _heart(u, -v) <= 0,
        ],
    )
    return (inside[..., None] - 0.5).astype("float32")


def _heart(u, v):
    """Below 0 within a heart of about radius 1 with its point down."""
    u, v = 1.1 * u, 1.1 * v
    return (u**2 + v**2 - 1) ** 3 - u**2 * v**3

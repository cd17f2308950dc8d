"""Images of one white shape whose five factors are known, rendered when asked for.

The factors are those of dSprites: shape, scale, orientation and the two positions, in
the same numbers of values, so that measures of disentanglement run without a download.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.splits import Split, Splits

FACTOR_SIZES = (3, 6, 40, 32, 32)  # shape, scale, orientation, x, y
SHAPES = ("square", "ellipse", "heart")
SIDE = 64
_RADIUS = 0.16  # of the largest sprite, in sides of the image
_BATCH = 512  # images rendered at once
_SIZES = {"test": 10_000, "validation": 10_000, "train": 100_000}


def sample_factors(
    count: int, generator: np.random.Generator, sizes: Sequence[int] = FACTOR_SIZES
) -> np.ndarray:
    """Factors drawn evenly, each below its size: int `(count, num_factors)`."""
    return np.stack([generator.integers(n, size=count) for n in sizes], axis=1)


def load_sprites(image_size: int | None = None, channels: int | None = None) -> Splits:
    """Images of combinations of factors drawn once, each in one split alone.

    Args:
        image_size: int, at least 16. Defaults to 64.
        channels: 1 or 3. Defaults to 1.

    Raises:
        ValueError: if the images are too small for the shapes.
    """
    side, channels = image_size or SIDE, channels or 1
    if side < 16:
        raise ValueError(f"expected sprites of 16 pixels or more, received {side}")
    places = np.random.default_rng(0).permutation(int(np.prod(FACTOR_SIZES)))
    ends = np.cumsum(list(_SIZES.values()))
    parts = np.split(places[: ends[-1]].astype("int32"), ends[:-1])
    splits = {name: _split(part, side, channels) for name, part in zip(_SIZES, parts)}
    return Splits(
        **splits,
        name="sprites",
        image_shape=(side, side, channels),
        class_names=SHAPES,
        fingerprint=f"sprites 1, {side} x {side} x {channels}",
    )


def _split(places, side, channels):
    def render(chosen):
        factors = np.stack(np.unravel_index(chosen, FACTOR_SIZES), axis=1)
        return np.repeat(images(factors, side), channels, axis=-1)

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        chosen = tf.gather(places, indices)
        image = tf.numpy_function(render, [chosen], tf.float32)
        image = tf.ensure_shape(image, [indices.shape[0], side, side, channels])
        return {"image": image, "label": chosen // int(np.prod(FACTOR_SIZES[1:]))}

    return Split(size=len(places), load=load)


def images(factors: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Images of factors.

    Args:
        factors: int `(N, 5)`, each below its size.
        side: int, of the images in pixels.

    Returns:
        Float32 `(N, side, side, 1)`, -0.5 outside the shape and 0.5 within.

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
        _render(factors[start : start + _BATCH], side)
        for start in range(0, len(factors), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, side, side, 1), "float32")


def _render(factors, side):
    # One number an image, beside its rows and columns.
    shape, scale, orientation, x, y = factors.T[..., None, None]
    radius = _RADIUS * (0.5 + 0.5 * scale / (FACTOR_SIZES[1] - 1))
    angle = 2 * np.pi * orientation / FACTOR_SIZES[2]
    low, high = 0.25, 0.75
    center_x = low + (high - low) * x / (FACTOR_SIZES[3] - 1)
    center_y = low + (high - low) * y / (FACTOR_SIZES[4] - 1)
    place = (np.arange(side) + 0.5) / side

    right = (place[None, None, :] - center_x) / radius
    down = (place[None, :, None] - center_y) / radius
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = cosine * right + sine * down, -sine * right + cosine * down
    inside = np.select(
        [shape == 0, shape == 1, shape == 2],
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

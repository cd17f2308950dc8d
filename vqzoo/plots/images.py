"""Figures of images and of maps of codes."""

import math

import numpy as np

from vqzoo.plots import style


def reconstructions(images, rebuilt, columns=8):
    """Images in one row, and their reconstructions in the row below.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        rebuilt: same shape; clipped.
        columns: int, pairs in a row.
    """
    rows = [
        pictures[start : start + columns]
        for start in range(0, min(len(images), len(rebuilt)), columns)
        for pictures in (images, rebuilt)
    ]
    title = "Held-out images (odd rows) and their reconstructions (even rows)"
    return _grid(rows, columns, title)


def image_grid(images, title, columns=8):
    """Images side by side, row after row.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5]; clipped.
        title: str.
        columns: int, images in a row.
    """
    columns = min(columns, len(images))
    starts = range(0, len(images), columns)
    return _grid([images[start : start + columns] for start in starts], columns, title)


def samples(images, labels, class_names, title):
    """Images in a row for each class, with its name; without classes, side by side.

    Side by side too if there are fewer than two images for a class.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5]; clipped.
        labels: int `(N,)`, or None.
        class_names: sequence of str in label order.
        title: str, above images that stand side by side.
    """
    if labels is None or len(images) < 2 * len(class_names) or not class_names:
        return image_grid(images, title, columns=max(1, math.isqrt(len(images))))
    rows = {name: images[labels == label] for label, name in enumerate(class_names)}
    shown = {name: row for name, row in rows.items() if len(row)}
    return strips(shown, width=10)


def _grid(rows, columns, title):
    """A figure of rows of images, each of at most so many."""
    figure, axes = style.grid(len(rows), columns)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, images in zip(axes, rows):
        for axis, image in zip(row, images):
            show(axis, image)
    figure.suptitle(title)
    return figure


def strips(rows, *, column_labels=(), width=style.CHART_WIDTH, columns=None):
    """Rows of images with a label at the left of each.

    Args:
        rows: dict from a label to float `(n, H, W, C)` in [-0.5, 0.5]; clipped. A row
            may be shorter than others.
        column_labels: sequence of str, above the first row.
        width: float, inches.
        columns: int, images of a row, or None: as many as the longest row has.
    """
    columns = columns or max(len(images) for images in rows.values())
    height, wide = next(iter(rows.values())).shape[1:3]
    longest = max(len(line) for label in rows for line in label.split("\n"))
    size = 9 * width / style.CHART_WIDTH  # points: as wide a figure is shown smaller
    labels = 0.0095 * size * longest + 0.1
    figure, axes = style.pictures(len(rows), columns, width, height / wide, labels)
    for row, (label, images) in enumerate(rows.items()):
        axes[row, 0].set_ylabel(
            label, rotation=0, ha="right", va="center", fontsize=size, color=style.DARK
        )
        for axis, image in zip(axes[row], images):
            show(axis, image)
    for axis, label in zip(axes[0], column_labels):
        axis.set_title(label, fontsize=size, color=style.DARK)
    return figure


def visible(images):
    """Images of any bands as those of 1 or 3: the first three, or the first of two.

    Args:
        images: array whose last axis holds the bands.
    """
    bands = images.shape[-1]
    return images if bands in (1, 3) else images[..., : 3 if bands > 3 else 1]


def show(axis, image):
    """Draws an image in [-0.5, 0.5], pixel by pixel."""
    image = np.clip(visible(image) + 0.5, 0, 1)
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        axis.imshow(image, interpolation="nearest")

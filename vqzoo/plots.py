"""Figures: arrays in, a matplotlib Figure out. Nothing is shown or saved here."""

import numpy as np

GRID_DPI = 100


def reconstructions(images, rebuilt, columns=8):
    """Images in one row, what came back of them in the row below.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        rebuilt: same shape; clipped.
        columns: int, pairs in a row.

    Returns:
        `matplotlib.figure.Figure`.
    """
    count = min(len(images), len(rebuilt))
    rows = -(-count // columns)
    figure, axes = _grid(2 * rows, columns)
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(count):
        row, column = divmod(i, columns)
        _show(axes[2 * row, column], images[i])
        _show(axes[2 * row + 1, column], rebuilt[i])
    figure.suptitle("Held-out images (odd rows) and their reconstructions (even rows)")
    return figure


def image_grid(images, title, columns=8):
    """Images side by side, row after row.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5]; clipped.
        title: str.
        columns: int, images in a row.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure, axes = _grid(-(-len(images) // columns), min(columns, len(images)))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image in zip(axes.flat, images):
        _show(axis, image)
    figure.suptitle(title)
    return figure


def codebook_pca(codebooks, usage=None):
    """Codes on the two main axes of their codebook, colored by index.

    A codebook that is ordered shows a smooth path of color, one without order shows
    speckle.

    Args:
        codebooks: dict from tier name to float `(K, D)`.
        usage: dict from tier name to counts `(K,)`, or None. Unused codes are hollow.

    Returns:
        `matplotlib.figure.Figure`.

    Source: Coppock's thesis, figure 4.2.
    """
    figure, axes = _grid(1, len(codebooks), size=4.5)
    for axis, (tier, codebook) in zip(axes.flat, codebooks.items()):
        points, shares = _main_axes(codebook)
        used = np.ones(len(codebook), bool) if usage is None else usage[tier] > 0
        axis.plot(*points.T, color="0.8", linewidth=0.5, zorder=0)
        axis.scatter(*points[~used].T, s=14, facecolors="none", edgecolors="0.6")
        dots = axis.scatter(
            *points[used].T, s=14, c=np.flatnonzero(used), cmap="viridis"
        )
        first, second = 100 * shares
        axis.set_xlabel(f"first axis ({first:.0f} % of variance)")
        axis.set_ylabel(f"second axis ({second:.0f} % of variance)")
        axis.set_title(f"{tier}: {used.sum()} of {len(codebook)} codes in use")
        figure.colorbar(dots, ax=axis, label="code index")
    return figure


def code_maps(images, codes, num_embeddings, columns=8):
    """Code indices of each tier as gray images, under the images they come from.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        codes: dict from tier name to int `(N, h, w)`.
        num_embeddings: dict from tier name to K: white is the code K - 1.
        columns: int, images shown.

    Returns:
        `matplotlib.figure.Figure`.

    Source: Coppock's thesis, figure 4.11.
    """
    count = min(len(images), columns)
    figure, axes = _grid(1 + len(codes), count)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0, 0].set_ylabel("image")
    for i in range(count):
        _show(axes[0, i], images[i])
        for row, (tier, maps) in enumerate(codes.items(), start=1):
            axes[row, i].imshow(
                maps[i], cmap="gray", vmin=0, vmax=num_embeddings[tier] - 1
            )
            axes[row, 0].set_ylabel(f"{tier} codes")
    figure.suptitle("Code indices, black 0 to white K - 1")
    return figure


def learning_curves(histories, name, label):
    """A figure of each epoch, on the data trained with and on held-out data.

    Args:
        histories: dict from a name to rows of dicts with `epoch`, `loss` in nats, and
            `val_` + `name`.
        name: str, a figure of held-out data in bits; the loss is drawn in bits too.
        label: str, of the vertical axis.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure, axes = _grid(1, len(histories), size=3.2)
    for axis, (title, rows) in zip(axes.flat, histories.items()):
        epochs = [row["epoch"] for row in rows]
        axis.plot(epochs, [row["loss"] / np.log(2) for row in rows], label="training")
        held_out = [row[f"val_{name}"] for row in rows]
        axis.plot(epochs, held_out, label="held out")
        best = int(np.argmin(held_out))
        axis.plot(epochs[best], held_out[best], "ko", markersize=4, label="best")
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.legend()
    return figure


def _main_axes(codebook):
    """Places `(K, 2)` on the two axes of most variance, and their shares of it.

    Codes that are all equal, or of length 1, have a place too.
    """
    centered = codebook - np.mean(codebook, axis=0)
    left, scales, _ = np.linalg.svd(centered, full_matrices=False)
    scales = np.pad(scales, (0, 1))[:2]
    points = np.pad(left, ((0, 0), (0, 1)))[:, :2] * scales
    variance = np.sum(np.square(centered))
    return points, np.square(scales) / max(variance, np.finfo("float32").tiny)


def _show(axis, image):
    image = np.clip(image + 0.5, 0, 1)
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(image)


def _grid(rows, columns, size=1.4):
    """A figure outside of pyplot, so that nothing keeps it alive."""
    from matplotlib.figure import Figure

    figure = Figure(
        (size * 1.25 * columns, size * rows + 0.6), GRID_DPI, layout="constrained"
    )
    return figure, figure.subplots(rows, columns, squeeze=False)

"""Figures of points in a plane: codebooks and latents."""

import numpy as np

from vqzoo.plots import style

RING = {"markersize": 14, "markerfacecolor": "none", "markeredgecolor": "red"}


def codebook_pca(codebooks, usage=None, marked=None):
    """Codes on the two main axes of their codebook, colored by index.

    A codebook that is ordered shows a smooth path of color, one without order shows
    speckle.

    Args:
        codebooks: dict from tier name to float `(K, D)`.
        usage: dict from tier name to counts `(K,)`, or None. Unused codes are hollow.
        marked: dict from tier name to a code with a ring around it, or None.

    Source: Coppock's thesis, figure 4.2.
    """
    figure, axes = style.grid(1, len(codebooks), size=4.5)
    for axis, (tier, codebook) in zip(axes.flat, codebooks.items()):
        points, shares = _main_axes(codebook)
        used = np.ones(len(codebook), bool) if usage is None else usage[tier] > 0
        axis.plot(*points.T, color="0.8", linewidth=0.5, zorder=0)
        axis.scatter(*points[~used].T, s=14, facecolors="none", edgecolors="0.6")
        dots = axis.scatter(
            *points[used].T, s=14, c=np.flatnonzero(used), cmap="viridis"
        )
        if marked is not None:
            axis.plot(*points[marked[tier]], "o", **RING)
        first, second = 100 * shares
        axis.set_xlabel(f"first axis ({first:.0f} % of variance)")
        axis.set_ylabel(f"second axis ({second:.0f} % of variance)")
        axis.set_title(f"{tier}: {used.sum()} of {len(codebook)} codes in use")
        figure.colorbar(dots, ax=axis, label="code index")
    return figure


def codebooks_over_training(tiers, titles):
    """Codes at several steps of a run, on the main axes of where they came to.

    Args:
        tiers: dict from tier name to a list of float `(K, D)`, first to last.
        titles: list of str, one for each of them.

    Returns:
        `matplotlib.figure.Figure`: a row for each tier, a column for each step.

    Source: Coppock's thesis, figure 4.2, shows the end.
    """
    figure, axes = style.grid(len(tiers), len(titles), size=2.0)
    for row, (tier, codebooks) in zip(axes, tiers.items()):
        center = np.mean(codebooks[-1], axis=0)
        directions = np.linalg.svd(codebooks[-1] - center, full_matrices=False)[2][:2].T
        for axis, title, codebook in zip(row, titles, codebooks):
            places = np.pad((codebook - center) @ directions, ((0, 0), (0, 1)))[:, :2]
            _small_path(axis, places, title)
        row[0].set_ylabel(f"{tier} codes", color=style.DARK)
    return figure


def codebooks_beside(codebooks, columns=4):
    """Codebooks of several models, each on its own main axes, colored by index.

    Args:
        codebooks: dict from title to float `(K, D)`.
        columns: int, of them in a row.

    Source: Coppock's thesis, figure 4.2.
    """
    columns = min(columns, len(codebooks))
    rows = -(-len(codebooks) // columns)
    figure, axes = style.grid(rows, columns, size=2.2)
    for axis in axes.flat[len(codebooks) :]:
        axis.set_visible(False)
    for axis, (title, codebook) in zip(axes.flat, codebooks.items()):
        _small_path(axis, _main_axes(codebook)[0], title)
    return figure


def _small_path(axis, points, title):
    """Codes as dots that are colored by index and joined in their order."""
    axis.plot(*points.T, color="0.8", linewidth=0.4, zorder=0)
    axis.scatter(*points.T, s=6, c=np.arange(len(points)), cmap="viridis")
    style.without_ticks(axis)
    axis.set_title(title, fontsize=9, color=style.DARK)


def code_usage(usage, marked=None):
    """How often each code is used, by index, compared with even use.

    Args:
        usage: dict from tier name to counts `(K,)`.
        marked: dict from tier name to a code with a ring around it, or None.
    """
    figure, axes = style.grid(1, len(usage), size=4.5)
    for axis, (tier, counts) in zip(axes.flat, usage.items()):
        percent = 100 * counts / max(1, counts.sum())
        places = np.arange(len(counts))
        axis.fill_between(places, percent, step="mid")
        axis.axhline(100 / len(counts), color="0.3", linestyle="--", label="even use")
        if marked is not None:
            axis.plot(marked[tier], percent[marked[tier]], "o", **RING)
        axis.set_xlabel("code index")
        axis.set_ylabel("share of the positions (%)")
        axis.set_title(f"{tier}: {np.sum(counts > 0)} of {len(counts)} codes in use")
        axis.legend()
    return figure


def scatter(points, labels, *, axes=("", ""), key="", names=()):
    """Points of a plane, colored by what they are.

    Args:
        points: float `(N, 2)`.
        labels: `(N,)`: ints below the number of names, or with no names real numbers.
        axes: str, str: what the axes are; empty where they mean nothing.
        key: str: what the labels are.
        names: sequence of str, of the labels; empty for real numbers.
    """
    figure, axis = style.chart(height=4.2 if names else 3.8)
    if names:
        for index, name in enumerate(names):
            shown = points[labels == index]
            axis.scatter(
                *shown.T, s=16, alpha=0.8, linewidths=0, label=name, **style.look(index)
            )
        columns = 2 if max(map(len, names)) > 14 else 4
        axis.legend(
            title=key,
            ncols=columns,
            fontsize=8,
            title_fontsize=9,
            markerscale=1.5,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            frameon=False,
            handletextpad=0.2,
            columnspacing=1.0,
        )
    else:
        dots = axis.scatter(*points.T, s=16, c=labels, cmap="viridis", linewidths=0)
        figure.colorbar(dots, ax=axis, label=key)
    for label, set_label, set_ticks in (
        (axes[0], axis.set_xlabel, axis.set_xticks),
        (axes[1], axis.set_ylabel, axis.set_yticks),
    ):
        set_label(label, fontsize=9, color=style.DARK)
        if not label:
            set_ticks([])
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

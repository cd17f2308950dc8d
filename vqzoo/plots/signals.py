"""Signals over time."""

import numpy as np

from vqzoo.plots import style


def signals(rows, rebuilt=None, columns=2):
    """Each signal in a panel, its channels below each other, in units of their spread.

    Args:
        rows: float `(N, time, channels)`.
        rebuilt: the same, drawn dashed over them, or None.
        columns: int, panels side by side.
    """
    rows = np.asarray(rows)
    spread = rows.std(axis=(0, 1)) + 1e-9
    offset = -4.0 * np.arange(rows.shape[-1])
    lines = -(-len(rows) // columns)
    figure, axes = style.grid(lines, columns, size=2.0)
    for index, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if index >= len(rows):
            continue
        center = rows[index].mean(axis=0)
        drawn = [(rows[index], "-", style.COLORS[0])]
        if rebuilt is not None:
            drawn.append((np.asarray(rebuilt)[index], "--", style.COLORS[1]))
        for values, line, color in drawn:
            places = (values - center) / spread + offset
            axis.plot(places, line, color=color, linewidth=0.9)
    return figure

"""Figures of numbers: curves, bars, tables as colors."""

import textwrap

import numpy as np

from vqzoo.plots import style

LABEL_WIDTH = 26  # characters of a line beside a chart, above a legend of three rows


def learning_curves(histories, name, label):
    """A figure of each epoch, on the data trained with and on held-out data.

    Args:
        histories: dict from a name to rows of dicts with `epoch`, `loss` in nats, and
            `val_` + `name`.
        name: str, a figure of held-out data in bits; the loss is drawn in bits too.
        label: str, of the vertical axis.
    """
    figure, axes = style.grid(1, len(histories), size=3.2)
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


def panels(groups, x_label):
    """Lines over a common axis, a small panel for each kind of figure.

    Args:
        groups: dict from the label of a vertical axis to a dict from a name to `(x,
            y)`, sequences of int and of float.
        x_label: str, with its unit.
    """
    from matplotlib import ticker

    figure, axes = style.grid(1, len(groups), size=2.6)
    for axis, (y_label, series) in zip(axes.flat, groups.items()):
        for index, (name, (x, y)) in enumerate(series.items()):
            look = {"markersize": 4, "linewidth": 1.4, "label": name}
            axis.plot(x, y, **look, **style.look(index))
        axis.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
        style.label(axis, x_label, y_label)
        if len(series) > 1:
            axis.legend(fontsize=8)
    return figure


def curves(series, x_label, y_label, *, log_x=False, spreads=None, limits=None):
    """Lines over a common axis, each with a color and a marker of its own.

    Args:
        series: dict from a name to `(x, y)`, sequences of float.
        x_label: str, with its unit.
        y_label: str, with its unit.
        log_x: bool.
        spreads: dict from some of the names to a sequence of float, drawn as bars of
            one spread up and down, or to two such sequences, down and up; or None.
        limits: `(low, high)` of the vertical axis, or None.
    """
    figure, axis = style.chart()
    for index, (name, (x, y)) in enumerate(series.items()):
        spread = (spreads or {}).get(name)
        look = {"markersize": 5, "linewidth": 1.6, "label": name, **style.look(index)}
        axis.errorbar(x, y, yerr=spread, capsize=3, **look)
    if limits is not None:
        axis.set_ylim(limits)
    if log_x:
        _plain_log(axis, sorted({float(v) for x, _ in series.values() for v in x}))
    style.label(axis, x_label, textwrap.fill(y_label, LABEL_WIDTH))
    if len(series) > 1:
        figure.legend(
            loc="outside lower center",
            ncols=2 if len(series) < 7 else 3,
            fontsize=8,
            frameon=False,
        )
    return figure


def _plain_log(axis, values):
    """A logarithmic axis with plain numbers: the values, if they are few and short."""
    from matplotlib import ticker

    axis.set_xscale("log")
    if len(values) <= 8 and all(len(f"{value:g}") <= 6 for value in values):
        places = ticker.FixedLocator(values)
    elif values[-1] < 10 * values[0]:
        places = ticker.MaxNLocator(6)
    else:
        places = ticker.LogLocator(subs=(1.0, 2.0, 5.0))
    axis.xaxis.set_major_locator(places)
    axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_locator(ticker.NullLocator())


def bars(values, x_label, *, spreads=None, mark=None):
    """Horizontal bars, the first at the top, each with its number at its end.

    Args:
        values: dict from a name to a float.
        x_label: str, with its unit.
        spreads: dict from some of the names to a float, drawn up and down; or None.
        mark: `(name, x)` of a level to draw as a dashed line, or None.
    """
    figure, axis = style.chart(height=0.9 + 0.32 * len(values))
    places = np.arange(len(values))
    spread = [(spreads or {}).get(name, 0.0) for name in values]
    axis.barh(places, list(values.values()), 0.65, color=style.COLORS[0])
    if any(spread):
        axis.errorbar(
            list(values.values()),
            places,
            xerr=spread,
            fmt="none",
            ecolor=style.DARK,
            capsize=3,
            linewidth=1,
        )
    for place, (value, above) in enumerate(zip(values.values(), spread)):
        axis.annotate(
            f"{value:.3g}",
            (value + above, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=style.DARK,
        )
    axis.set_yticks(places, list(values), fontsize=9)
    axis.invert_yaxis()
    if mark is not None:
        axis.axvline(mark[1], color=style.DARK, linestyle="--", linewidth=1)
        axis.set_title(f"dashed: {mark[0]}", fontsize=8, color=style.DARK, loc="right")
    axis.margins(x=0.15)
    if min(values.values()) >= 0:
        axis.set_xlim(left=0)
    axis.set_xlabel(x_label, color=style.DARK)
    return figure


def heat_map(
    matrix,
    row_names,
    column_names,
    *,
    rows="",
    columns="",
    key="",
    limits=None,
    form=".2g",
):
    """A matrix as colors; if there are few cells, with numbers in them.

    Args:
        matrix: float `(R, C)`.
        row_names: sequence of R str.
        column_names: sequence of C str.
        rows: str, what the rows are.
        columns: str, what the columns are.
        key: str, what the colors are, with the unit.
        limits: `(low, high)` of the colors, or None: those of the values. Where 0 lies
            in the middle the colors are those of a scale with two ends.
        form: str, how the numbers are written.
    """
    low, high = limits or (float(np.min(matrix)), float(np.max(matrix)))
    two_ended = low == -high
    beside = 1.3 + 0.065 * max(map(len, row_names))  # inches: names and key
    figure, axis = style.chart(
        height=1.6 + 0.3 * max(len(row_names), 5),
        width=max(style.CHART_WIDTH, beside + 0.22 * len(column_names)),
    )
    shown = axis.imshow(
        matrix,
        cmap="RdBu" if two_ended else "Blues",
        vmin=low,
        vmax=high,
        aspect="auto",
    )
    axis.set_yticks(range(len(row_names)), row_names, fontsize=8)
    axis.set_xticks(range(len(column_names)), column_names, fontsize=8, rotation=90)
    axis.set_ylabel(rows, color=style.DARK)
    axis.set_xlabel(columns, color=style.DARK)
    if np.size(matrix) <= 150:
        middle = 0.6 * max(abs(low), abs(high))
        for (row, column), value in np.ndenumerate(matrix):
            axis.text(
                column,
                row,
                format(value, form),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(value) > middle else style.DARK,
            )
    figure.colorbar(shown, ax=axis, label=key)
    return figure

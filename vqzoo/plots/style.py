"""What all figures share: sizes, colors that all eyes tell apart, the canvas."""

GRID_DPI = 100
DARK = "#1a1a1a"
# Okabe and Ito 2008, Color universal design, without yellow, which is faint on white.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CHART_WIDTH = 4.8  # inches: text of 9 points is still read on a narrow screen


def grid(rows, columns, size=1.4):
    """A figure outside pyplot, so that nothing keeps it alive, and its axes."""
    return _figure(size * 1.25 * columns, size * rows + 0.6, rows, columns)


def chart(height=3.4, width=CHART_WIDTH):
    """A figure with one pair of axes, and them."""
    figure, axes = _figure(width, height, 1, 1)
    axis = axes[0, 0]
    axis.tick_params(colors=DARK, labelsize=9)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    return figure, axis


def pictures(rows, columns, width, aspect=1.0, labels=0.0):
    """A figure of a fixed width for images side by side, and its axes without ticks.

    Args:
        rows: int.
        columns: int.
        width: float, inches of the whole figure.
        aspect: float, height over width of an image.
        labels: float, inches at the left that are left to labels.
    """
    side = (width - labels) / columns
    figure, axes = _figure(width, rows * side * aspect + 0.3, rows, columns)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    for axis in axes.flat:
        without_ticks(axis)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def label(axis, x_label, y_label):
    """Names both axes, and draws thin lines behind the data to read values by."""
    axis.grid(axis="y", color="0.88", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.set_xlabel(x_label, color=DARK)
    axis.set_ylabel(y_label, color=DARK)


def without_ticks(axis):
    """Takes the ticks away, which mean nothing beside pixels and main axes."""
    axis.set_xticks([])
    axis.set_yticks([])


def look(index):
    """Color and marker of the index-th of several series, all different."""
    color = COLORS[index % len(COLORS)]
    marker = MARKERS[(index + index // len(COLORS)) % len(MARKERS)]
    return {"color": color, "marker": marker}


def _figure(width, height, rows, columns):
    from matplotlib.figure import Figure

    figure = Figure((width, height), GRID_DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)

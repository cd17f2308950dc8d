import matplotlib.text
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vqzoo import plots
from vqzoo.plots import style


def drawn(figure):
    """Draws a figure, so that its words have their places; returns the renderer."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def texts_overlap(figure):
    """Pairs of words of a figure that lie on each other."""
    renderer = drawn(figure)
    boxes = []
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text().strip() and text.get_visible():
            boxes.append((text.get_text(), text.get_window_extent(renderer)))
    return [
        (first, second)
        for index, (first, box) in enumerate(boxes)
        for second, other in boxes[index + 1 :]
        if box.shrunk(0.9, 0.9).overlaps(other.shrunk(0.9, 0.9))
    ]


def is_cut_off(figure):
    """Whether something is drawn beyond the canvas."""
    box = figure.get_tightbbox(drawn(figure))
    width, height = figure.get_size_inches()
    inside = box.x0 > -0.02 and box.y0 > -0.02
    return not (inside and box.x1 < width + 0.02 and box.y1 < height + 0.02)


def test_every_curve_has_a_color_and_a_marker_of_its_own():
    series = {f"curve {n}": ([1, 2, 3], [n, n + 1, n]) for n in range(10)}
    figure = plots.curves(series, "distance", "PSNR (dB)", log_x=True)
    (axis,) = figure.axes
    lines = [each[0] for each in axis.containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == 10
    assert axis.get_xscale() == "log"
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "2", "3"]
    assert axis.get_ylabel() == "PSNR (dB)"
    np.testing.assert_array_equal(lines[4].get_ydata(), [4, 5, 4])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == list(series)
    assert texts_overlap(figure) == [] and not is_cut_off(figure)


def test_measured_values_on_a_logarithmic_axis_stand_between_round_numbers():
    rates = [0.116354, 0.138093, 0.195699, 0.219142]
    figure = plots.curves({"PSNR": (rates, rates)}, "bits", "PSNR (dB)", log_x=True)
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(labels) > 3 and max(map(len, labels)) <= 4
    assert texts_overlap(figure) == []


def test_a_long_label_is_not_cut_off():
    series = {f"a long name of a condition {n}": ([0, 1], [n, 1]) for n in range(6)}
    label = "PSNR (dB), 25% of bottom indices moved by 10"
    assert not is_cut_off(plots.curves(series, "sigma (indices)", label))


def test_spreads_and_limits_are_drawn():
    figure = plots.curves(
        {"a": ([1, 2], [0.4, 0.5])},
        "labels",
        "accuracy",
        spreads={"a": [0.1, 0.0]},
        limits=(0.0, 1.0),
    )
    (axis,) = figure.axes
    ((segments,),) = [each[2] for each in axis.containers]
    np.testing.assert_allclose(segments.get_segments()[0][:, 1], [0.3, 0.5])
    assert axis.get_ylim() == (0, 1)
    assert figure.legends == []


def test_bars_stand_from_the_top_with_their_numbers():
    values = {"top, indices": 0.26, "bottom, one-hot indices": 0.4, "none": 0.0}
    figure = plots.bars(
        values, "accuracy", spreads={"top, indices": 0.01}, mark=("floor", 0.1)
    )
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [0.26, 0.4, 0.0]
    assert axis.yaxis_inverted() and axis.get_xlim()[0] == 0
    assert [text.get_text() for text in axis.texts] == ["0.26", "0.4", "0"]
    assert axis.get_title("right") == "dashed: floor"
    assert texts_overlap(figure) == [] and not is_cut_off(figure)


def test_a_matrix_keeps_its_numbers_where_they_have_room():
    names = [f"class {n}" for n in range(10)]
    matrix = np.eye(10)
    figure = plots.heat_map(
        matrix, names, names, rows="class", columns="named", key="share", limits=(0, 1)
    )
    axis = figure.axes[0]
    assert len(axis.texts) == 100
    assert np.array_equal(axis.images[0].get_array(), matrix)
    assert axis.images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in axis.get_yticklabels()] == names
    assert not is_cut_off(figure)
    large = plots.heat_map(np.eye(20), names * 2, names * 2)
    assert len(large.axes[0].texts) == 0


def test_bars_below_zero_are_seen():
    figure = plots.bars({"a": -2.0, "b": 1.0}, "score")
    low, high = figure.axes[0].get_xlim()
    assert low < -2 and high > 1
    assert plots.bars({"a": 2.0}, "score").axes[0].get_xlim()[0] == 0


def test_a_matrix_around_zero_has_two_ends():
    figure = plots.heat_map(-np.eye(3), "abc", "abc", limits=(-1.0, 1.0))
    assert figure.axes[0].images[0].get_cmap().name == "RdBu"


def test_classes_are_told_apart_without_their_colors():
    points = np.random.default_rng(0).normal(size=(40, 2))
    names = [f"class {n}" for n in range(20)]
    figure = plots.scatter(points, np.arange(40) % 20, key="class", names=names)
    dots = figure.axes[0].collections
    looks = {
        (tuple(each.get_facecolor()[0]), each.get_paths()[0].vertices.tobytes())
        for each in dots
    }
    assert len(dots) == len(looks) == 20
    np.testing.assert_allclose(dots[3].get_offsets(), points[[3, 23]])
    assert not is_cut_off(figure)


def test_real_numbers_have_a_scale():
    figure = plots.scatter(np.eye(2), [0.1, 0.9], axes=("first", ""), key="brightness")
    axis, scale = figure.axes
    assert axis.collections[0].get_array().tolist() == [0.1, 0.9]
    assert scale.get_ylabel() == "brightness"
    assert axis.get_xlabel() == "first" and len(axis.get_yticks()) == 0


def test_strips_have_a_label_for_each_row_and_column():
    rows = {
        "image": np.full((3, 8, 8, 3), 0.25),
        "top\nalone": np.zeros((2, 8, 8, 3)),
    }
    figure = plots.strips(rows, column_labels=("0", "+1", "+2"))
    shown = [axis.images[0] if axis.images else None for axis in figure.axes]
    assert [image is None for image in shown] == [False] * 5 + [True]
    np.testing.assert_allclose(shown[0].get_array(), 0.75)
    assert [figure.axes[n].get_ylabel() for n in (0, 3)] == list(rows)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0", "+1", "+2"]
    assert texts_overlap(figure) == [] and not is_cut_off(figure)
    assert figure.get_size_inches()[0] == pytest.approx(style.CHART_WIDTH)


def test_samples_stand_in_rows_of_their_classes():
    images = np.zeros((5, 8, 8, 3)) + np.arange(5)[:, None, None, None] / 10 - 0.5
    figure = plots.samples(images, np.array([1, 0, 1, 0, 0]), ["cat", "dog"], "")
    axes = np.reshape(figure.axes, (2, 3))
    shown = [[a.images[0].get_array().mean() for a in row if a.images] for row in axes]
    np.testing.assert_allclose(shown[0], [0.1, 0.3, 0.4])
    np.testing.assert_allclose(shown[1], [0.0, 0.2])
    assert [row[0].get_ylabel() for row in axes] == ["cat", "dog"]
    for labels, names in ((None, ()), (np.arange(5), "abcde"), (np.zeros(5, int), ())):
        figure = plots.samples(images, labels, names, "Five")
        assert figure.get_suptitle() == "Five" and len(figure.axes) == 6


def test_colors_are_dark_enough_on_white_and_differ():
    def contrast(color):
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in colors.to_rgb(color)
        ]
        return 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)

    assert len(set(style.COLORS)) == len(style.COLORS)
    assert min(map(contrast, style.COLORS)) > 2
    assert contrast(style.DARK) > 15


def test_panels_have_a_line_for_each_name_and_a_label_each():
    lines = {"top": ([1, 2], [0.5, 0.8]), "bottom": ([1, 2], [0.2, 0.4])}
    figure = plots.panels({"PSNR (dB)": {"all": ([1, 2], [20, 25])}, "use": lines}, "x")
    left, right = figure.axes
    assert left.get_ylabel() == "PSNR (dB)" and left.get_legend() is None
    assert [line.get_label() for line in right.get_lines()] == ["top", "bottom"]
    np.testing.assert_array_equal(right.get_lines()[1].get_ydata(), [0.2, 0.4])
    assert texts_overlap(figure) == [] and not is_cut_off(figure)


def test_codebooks_over_training_share_the_axes_of_the_last():
    last = np.diag([3.0, 2.0, 0.1])[[0, 1, 2, 0]] + [[0], [0], [0], [1]]
    books = [last + [0, 0, 5], last]
    titles = ["step 1", "step 1,000"]
    figure = plots.codebooks_over_training({"top": books, "bottom": books}, titles)
    assert len(figure.axes) == 4
    first, second = (axis.collections[0].get_offsets() for axis in figure.axes[:2])
    np.testing.assert_allclose(np.std(first, axis=0), np.std(second, axis=0))
    assert np.abs(np.mean(first, axis=0)).max() > 0.1
    np.testing.assert_allclose(np.mean(second, axis=0), 0, atol=1e-12)
    assert texts_overlap(figure) == [] and not is_cut_off(figure)


def test_codebooks_beside_each_other_have_axes_of_their_own():
    wide = np.diag([3.0, 2.0, 0.1])[[0, 1, 2, 0]]
    flat = {"wide": wide, "small": 0.01 * wide, "of one number": wide[:, :1]}
    figure = plots.codebooks_beside(flat, columns=2)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == list(flat)
    first, second, third = (axis.collections[0].get_offsets() for axis in shown)
    np.testing.assert_allclose(np.abs(first), np.abs(100 * second), atol=1e-9)
    np.testing.assert_array_equal(third[:, 1], 0)
    assert texts_overlap(figure) == [] and not is_cut_off(figure)


def test_codes_of_one_number_over_training_are_drawn():
    books = [np.zeros((4, 1)), np.arange(4.0)[:, None]]
    figure = plots.codebooks_over_training({"codes": books}, ["step 1", "step 2"])
    assert figure.axes[1].collections[0].get_offsets().shape == (4, 2)

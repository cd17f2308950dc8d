import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import colors

from vqzoo import plots

matplotlib.use("agg")


def images(count, channels=3, side=4):
    shape = (count, side, side, channels)
    return np.random.default_rng(count).uniform(-0.5, 0.5, shape)


def pictures(figure):
    """Arrays of the images of each of the axes, None where there is none."""
    shown = [axis.get_images() for axis in figure.axes]
    return [each[0].get_array() if each else None for each in shown]


def dots(figure):
    """For each codebook's axes: points, colors and title."""
    found = []
    for axis in figure.axes:
        if axis.get_title():
            unused, used = axis.collections
            found.append((axis, unused.get_offsets(), used))
    return found


@pytest.fixture(autouse=True)
def no_figure_is_open():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    yield
    assert pyplot.get_fignums() == before == []


def test_each_reconstruction_stands_below_its_image():
    originals, rebuilt = images(5), images(6)[:5]
    figure = plots.reconstructions(originals, rebuilt, columns=3)
    shown = pictures(figure)
    assert len(shown) == 4 * 3
    for i in range(5):
        row, column = divmod(i, 3)
        above, below = (shown[(2 * row + j) * 3 + column] for j in (0, 1))
        np.testing.assert_allclose(above, originals[i] + 0.5)
        np.testing.assert_allclose(below, rebuilt[i] + 0.5)
    assert shown[8] is None and shown[11] is None
    assert "odd rows" in figure.get_suptitle()
    assert not any(axis.axison for axis in figure.axes)


def test_values_beyond_the_range_are_clipped():
    originals = np.full((1, 2, 2, 3), 0.5)
    figure = plots.reconstructions(originals, 3 * originals - 2.5, columns=1)
    above, below = pictures(figure)
    assert np.all(above == 1) and np.all(below == 0)


def test_gray_images_are_shown_from_black_to_white():
    originals = images(2, channels=1)
    figure = plots.reconstructions(originals, originals, columns=2)
    np.testing.assert_allclose(pictures(figure)[1], originals[1, ..., 0] + 0.5)
    shown = figure.axes[0].get_images()[0]
    assert (shown.get_clim(), shown.get_cmap().name) == ((0, 1), "gray")


def test_one_image_makes_a_figure():
    figure = plots.reconstructions(images(1), images(1))
    assert len(figure.axes) == 16
    assert [picture is None for picture in pictures(figure)].count(False) == 2


def test_codes_lie_on_the_axes_of_most_variance():
    generator = np.random.default_rng(0)
    flat = generator.normal(size=(20, 2)) * [5, 1]
    turn = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    codebook = np.pad(flat, ((0, 0), (0, 4))) @ turn + 3
    figure = plots.codebook_pca({"top": codebook, "bottom": 2 * codebook[:10]})
    (axis, unused, used), (other, _, fewer) = dots(figure)
    points = used.get_offsets()
    between = np.linalg.norm(points[:, None] - points[None], axis=-1)
    expected = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    np.testing.assert_allclose(between, expected, atol=1e-5)
    assert points[:, 0].var() > points[:, 1].var()
    assert used.get_array().tolist() == list(range(20)) and len(unused) == 0
    assert axis.get_title() == "top: 20 of 20 codes in use"
    assert other.get_title() == "bottom: 10 of 10 codes in use"
    assert len(fewer.get_offsets()) == 10
    shares = [
        int(label.split("(")[1].split()[0])
        for label in (axis.get_xlabel(), axis.get_ylabel())
    ]
    assert 99 <= sum(shares) <= 101 and shares[0] > 80
    assert [a.get_ylabel() for a in figure.axes if not a.get_title()] == [
        "code index"
    ] * 2


def test_unused_codes_are_hollow_and_do_not_shift_the_colors():
    codebook = np.random.default_rng(0).normal(size=(6, 3))
    usage = {"top": np.array([3, 0, 1, 0, 0, 9])}
    figure = plots.codebook_pca({"top": codebook}, usage)
    ((axis, unused, used),) = dots(figure)
    assert used.get_array().tolist() == [0, 2, 5]
    assert len(unused) == 3 and len(used.get_offsets()) == 3
    assert axis.get_title() == "top: 3 of 6 codes in use"
    (line,) = axis.get_lines()
    path = line.get_xydata()
    np.testing.assert_allclose(used.get_offsets(), path[[0, 2, 5]])
    np.testing.assert_allclose(unused, path[[1, 3, 4]])


def test_a_marked_code_has_a_ring_at_its_place():
    codebook = np.random.default_rng(0).normal(size=(6, 3))
    figure = plots.codebook_pca({"top": codebook}, marked={"top": 4})
    path, ring = figure.axes[0].get_lines()
    np.testing.assert_allclose(ring.get_xydata(), path.get_xydata()[4:5])
    assert ring.get_markeredgecolor() == "red"


def test_the_use_of_codes_is_a_share_beside_even_use():
    usage = {"top": np.array([3, 0, 1, 0]), "bottom": np.array([0, 0])}
    figure = plots.code_usage(usage, {"top": 2, "bottom": 1})
    (axis, other) = figure.axes
    even, ring = axis.get_lines()
    assert even.get_ydata() == [25, 25]
    assert ring.get_xydata().tolist() == [[2, 25]]
    heights = {y for x, y in axis.collections[0].get_paths()[0].vertices}
    assert heights == {0, 25, 75}
    assert axis.get_title() == "top: 2 of 4 codes in use"
    assert other.get_title() == "bottom: 0 of 2 codes in use"


@pytest.mark.parametrize(
    "codebook",
    [np.ones((4, 3)), np.zeros((2, 1)), np.arange(4.0)[:, None], np.ones((1, 5))],
)
def test_a_degenerate_codebook_is_drawn_with_finite_numbers(codebook):
    figure = plots.codebook_pca({"top": codebook})
    ((axis, _, used),) = dots(figure)
    points = used.get_offsets()
    assert points.shape == (len(codebook), 2) and np.isfinite(points).all()
    assert np.ptp(points[:, 0]) == pytest.approx(np.ptp(codebook))
    assert "nan" not in axis.get_xlabel() + axis.get_ylabel()


def test_the_figures_can_be_written_and_are_not_blank(tmp_path):
    figure = plots.codebook_pca({"top": np.random.default_rng(0).normal(size=(9, 4))})
    path = tmp_path / "codebook.png"
    figure.savefig(path)
    from matplotlib import image

    written = image.imread(path)[..., :3]
    height, width = (round(s * plots.GRID_DPI) for s in figure.get_size_inches()[::-1])
    assert written.shape[:2] == (height, width)
    darkest = colors.to_rgb("0.9")[0]
    assert 0.001 < (written.min(-1) < darkest).mean() < 0.5


def test_drawing_does_not_need_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    figure = plots.reconstructions(images(2), images(2), columns=2)
    assert len(figure.axes) == 4


def test_an_image_grid_holds_every_image_once():
    shades = np.stack([np.full((4, 4, 3), value) for value in (-0.5, 0.0, 0.5)])
    figure = plots.image_grid(shades, "three", columns=2)
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert [float(np.mean(image)) for image in shown] == [0.0, 0.5, 1.0]
    assert len(figure.axes) == 4


def test_learning_curves_are_in_bits_and_mark_the_best_epoch():
    rows = [
        {"epoch": 1, "loss": 3 * np.log(2), "val_bits": 3.5},
        {"epoch": 2, "loss": 2 * np.log(2), "val_bits": 2.5},
        {"epoch": 3, "loss": 1 * np.log(2), "val_bits": 2.75},
    ]
    figure = plots.learning_curves({"top": rows, "bottom": rows[:1]}, "bits", "bits")
    training, held_out, best = figure.axes[0].get_lines()
    np.testing.assert_allclose(training.get_ydata(), [3, 2, 1])
    np.testing.assert_allclose(held_out.get_ydata(), [3.5, 2.5, 2.75])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (2, 2.5)
    assert [axis.get_title() for axis in figure.axes] == ["top", "bottom"]


def test_signals_have_a_line_for_each_channel_and_its_reconstruction():
    rows = np.random.default_rng(0).normal(size=(3, 16, 2)) * [1.0, 100.0]
    figure = plots.signals(rows, rows + [0.5, 50.0])
    lines = [axis.get_lines() for axis in figure.axes]
    assert [len(found) for found in lines] == [4, 4, 4, 0]
    drawn = [line.get_ydata() for line in lines[0]]
    np.testing.assert_allclose(drawn[2] - drawn[0], 0.5 / rows[..., 0].std(), rtol=1e-5)
    # In units of their spread the channels stand below each other.
    assert drawn[1].mean() == pytest.approx(drawn[0].mean() - 4, abs=1e-6)

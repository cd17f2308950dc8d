import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import measure
from vqzoo.measures.redundancy import effective_rank, neighbor_information


def test_equally_wide_directions_are_counted():
    cross = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], float)
    assert effective_rank(cross) == pytest.approx(2)
    assert effective_rank(100 + 7 * cross) == pytest.approx(2)
    wide = cross * [3, 1]  # singular values are as 3 to 1
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank(wide) == pytest.approx(expected)


def test_a_line_has_one_direction_and_equal_vectors_none():
    line = np.linspace(-1, 1, 9)[:, None] * [1.0, 2.0, -3.0]
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert effective_rank(np.full((5, 3), 0.1, "float32")) == 0
    assert effective_rank(np.ones((1, 3))) == effective_rank(np.zeros((4, 2))) == 0


def test_random_vectors_spread_in_nearly_all_directions():
    vectors = np.random.default_rng(0).normal(size=(4000, 16))
    assert 15.9 < effective_rank(vectors) < 16


def test_a_neighbor_that_is_the_same_tells_all():
    codes = np.tile((np.arange(400) % 4)[:, None, None], (1, 2, 2))
    bits = neighbor_information(codes)
    # 800 pairs of 4 values: two bits, and the bias of one entropy.
    expected = 2 + 3 / (2 * 800 * np.log(2))
    assert bits["horizontal_bits"] == pytest.approx(expected)
    assert bits["vertical_bits"] == pytest.approx(expected)


def test_a_neighbor_along_one_axis_tells_nothing_of_the_other():
    rows = np.random.default_rng(0).integers(8, size=(4000, 3, 1))
    bits = neighbor_information(np.tile(rows, (1, 1, 3)))
    assert bits["horizontal_bits"] == pytest.approx(3, abs=0.01)
    assert bits["vertical_bits"] == pytest.approx(0, abs=0.002)


def test_the_bias_of_few_pairs_is_taken_off():
    codes = np.random.default_rng(1).integers(16, size=(500, 1, 2))
    table = np.zeros((16, 16))
    np.add.at(table, tuple(codes[:, 0].T), 1 / 500)
    outer = table.sum(1, keepdims=True) * table.sum(0)
    seen = table > 0
    plain = np.sum(table[seen] * np.log2(table[seen] / outer[seen]))
    bits = neighbor_information(codes)
    bias = (seen.sum() - 1 - 15 - 15) / (2 * 500 * np.log(2))
    assert bits["horizontal_bits"] == pytest.approx(plain - bias)
    assert abs(bits["horizontal_bits"]) < plain / 3 and "vertical_bits" not in bits


def test_one_code_alone_tells_nothing_and_one_place_has_no_neighbor():
    assert neighbor_information(np.zeros((5, 2, 2), int)) == {
        "entropy_bits": 0,
        "horizontal_bits": 0,
        "vertical_bits": 0,
    }
    with pytest.raises(ValueError, match=r"neighbors, received shape=\(5, 1, 1\)"):
        neighbor_information(np.zeros((5, 1, 1), int))


def test_a_report_has_it_of_each_tier():
    (section,) = measure(small.subject_of(), ["redundancy"])
    found = section.metrics
    assert 1 < found["top_effective_rank"] and found["bottom_effective_rank"] > 1
    assert found["top_used_effective_rank"] <= found["top_effective_rank"] + 1
    assert 0 <= found["bottom_horizontal_bits"] < found["bottom_entropy_bits"]
    assert [row[0] for row in section.tables[0].rows] == ["top", "bottom"]
    assert section.skipped == {}

import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import measure
from vqzoo.measures.continuity import lipschitz, nearest_other


def test_a_linear_map_is_as_steep_as_it_is_and_its_scale_is_no_part_of_the_relative():
    vectors = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    for scale in (2.0, 0.1):
        found = lipschitz(lambda rows, scale=scale: scale * rows, vectors)
        assert found["lipschitz"] == pytest.approx(scale, rel=1e-3)
        assert found["relative_lipschitz"] == pytest.approx(1, rel=1e-3)
    wide = lipschitz(lambda rows: rows, 7 * vectors)
    assert wide["relative_lipschitz"] == pytest.approx(1, rel=1e-3)


def test_a_step_is_steep_where_it_stands_and_a_constant_is_flat():
    vectors = np.linspace(-1, 1, 41, dtype="float32")[:, None]
    steep = lipschitz(lambda rows: np.tanh(50 * rows), 0.01 * vectors)
    smooth = lipschitz(lambda rows: np.tanh(rows), 0.01 * vectors)
    assert steep["lipschitz"] > 20 * smooth["lipschitz"]
    assert lipschitz(np.zeros_like, vectors)["relative_lipschitz"] == 0


def test_the_next_code_is_the_nearest_but_itself():
    codebook = np.array([[0.0], [1.0], [1.2], [5.0]])
    assert nearest_other(codebook).tolist() == [1, 2, 1, 2]
    assert (nearest_other(np.zeros((3, 2))) != np.arange(3)).all()


def test_a_report_has_it_of_each_tier():
    (section,) = measure(small.subject_of(), ["continuity"])
    assert section.skipped == {}
    for tier in ("top", "bottom"):
        assert section.metrics[f"{tier}_relative_lipschitz"] > 0
        assert section.metrics[f"{tier}_next_code_psnr"] > 0
    assert [row[0] for row in section.tables[0].rows] == ["top", "bottom"]

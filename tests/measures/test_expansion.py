import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import held_out_metrics, measure
from vqzoo.measures.expansion import size_of


def test_the_log_volume_is_that_of_the_determinant():
    rows = np.random.default_rng(0).normal(size=(500, 4)) @ np.diag([1, 2, 3, 4.0])
    _, determinant = np.linalg.slogdet(np.cov(rows.T, bias=True))
    found = size_of(rows.reshape(5, 100, 4))
    assert found["log_volume"] == pytest.approx(determinant / 8)
    assert found["norm"] == pytest.approx(np.linalg.norm(rows, axis=1).mean())
    twice = size_of(2 * rows)
    assert twice["log_volume"] - found["log_volume"] == pytest.approx(np.log(2))


def test_few_and_equal_vectors_have_a_finite_size_and_one_has_none():
    few = np.eye(4)[:3]  # an equilateral triangle: two axes of variance 1 / 3
    assert size_of(few)["log_volume"] == pytest.approx(np.log(1 / 3) / 2)
    assert np.isfinite(size_of(np.ones((5, 3)))["log_volume"])
    with pytest.raises(ValueError, match="two vectors or more, received 1"):
        size_of(np.ones((1, 3)))


def test_a_run_notes_sizes_and_a_report_how_they_grew():
    subject = small.subject_of()
    metrics, _, _ = held_out_metrics(subject.model, subject.images)
    codebook = subject.model.quantizers[0].codebooks[0]
    assert metrics["top_codebook_norm"] == pytest.approx(size_of(codebook)["norm"])
    before = {f"val_{name}": value for name, value in metrics.items()}
    after = {name: value + 0.5 for name, value in before.items()}
    history = [{"epoch": 1, **before}, {"epoch": 2, **after}]
    (section,) = measure(small.subject_of(history=history), ["expansion"])
    assert section.metrics["bottom_latent_expansion"] == pytest.approx(0.5)
    expected = metrics["top_codebook_log_volume"] + 0.5
    assert section.metrics["top_codebook_log_volume"] == pytest.approx(expected)
    assert [row[0] for row in section.tables[0].rows][:2] == [
        "top latent",
        "top codebook",
    ]
    (without,) = measure(subject, ["expansion"])
    assert "history.csv" in without.skipped["all of it"]

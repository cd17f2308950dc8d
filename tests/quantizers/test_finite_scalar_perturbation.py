import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from vqzoo.layers import FiniteScalarPerturbation, NoisyAssignment

CASES = [
    Case(
        "FiniteScalarPerturbation",
        lambda: FiniteScalarPerturbation((3, 2), quantize_share=0.3, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: FiniteScalarPerturbation((3, 1)), "levels"),
    (lambda: FiniteScalarPerturbation((3,), quantize_share=1.0), "quantize_share"),
    (
        lambda: FiniteScalarPerturbation((3,), assignment=NoisyAssignment(1.0)),
        "is noise itself",
    ),
]


def latents_at(places):
    """Latents that tanh brings to these places in (0, 1)."""
    return np.arctanh(2 * np.asarray(places, "float32") - 1)


def test_cells_and_their_middles_by_hand():
    layer = FiniteScalarPerturbation((4, 2))
    latents = latents_at([[0.1, 0.9], [0.6, 0.2], [0.99, 0.51]])
    assert layer.encode(latents).numpy().tolist() == [4, 2, 7]
    middles = np.array([[0.125, 0.75], [0.625, 0.25], [0.875, 0.75]])
    expected = (middles - 0.5) * np.sqrt(12)
    np.testing.assert_allclose(layer(latents), expected, rtol=1e-5)
    assert float(np.std(layer.codebook.numpy()[:4, 0])) == pytest.approx(0.97, abs=0.01)


def test_training_moves_within_half_a_cell_and_stays_in_the_range():
    layer = FiniteScalarPerturbation((4,), seed=0)
    latents = latents_at(np.tile([[0.3], [0.02]], (2000, 1)))
    places = layer(latents, training=True).numpy() / np.sqrt(12) + 0.5
    middle, edge = places[::2], places[1::2]
    assert 0.175 < middle.min() < 0.18 and 0.42 < middle.max() < 0.425
    assert edge.min() > 0 and np.isclose(edge, 0.02).mean() > 0.3
    assert middle.std() == pytest.approx(0.25 / np.sqrt(12), rel=0.05)


def test_a_share_is_rounded_all_the_same():
    layer = FiniteScalarPerturbation((4,), quantize_share=0.7, seed=0)
    latents = latents_at(np.full((2000, 1), 0.3))
    places = layer(latents, training=True).numpy() / np.sqrt(12) + 0.5
    assert np.isclose(places, 0.375, atol=1e-5).mean() == pytest.approx(0.7, abs=0.04)


def test_the_losses_are_those_of_mean_and_variance():
    layer = FiniteScalarPerturbation((4, 4))
    latents = np.array([[1, 0], [3, 0]], "float32")
    terms = {k: float(v) for k, v in layer.loss_terms(latents).items()}
    away = (1 - np.pi**2 / 12) ** 2, (np.pi**2 / 12) ** 2
    assert terms == pytest.approx({"mean": 2.0, "variance": sum(away) / 2}, rel=1e-5)

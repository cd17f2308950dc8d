import numpy as np
import pytest
from scipy import linalg

from vqzoo.measures.sets import frechet_distance, precision_recall, variety


def features(count=400, shift=0.0, seed=0, length=5):
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(count, length)) @ np.triu(np.ones((length, length)))
    return mixed + shift


def original(first, second):
    """The formula of the paper with the matrix root of scipy."""
    means = first.mean(axis=0), second.mean(axis=0)
    a, b = (np.cov(each, rowvar=False) for each in (first, second))
    root = linalg.sqrtm(a @ b).real
    return np.sum((means[0] - means[1]) ** 2) + np.trace(a + b - 2 * root)


def test_it_is_the_formula():
    first, second = features(), 2 * features(300, 0.5, 1)
    expected = original(first, second)
    assert expected > 1
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_equal_sets_have_no_distance_and_a_shift_its_square():
    first = features()
    assert frechet_distance(first, first[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, first + 3.0) == pytest.approx(9 * 5)


def test_features_that_are_constant_or_too_few_have_a_distance():
    constant = np.ones((10, 4))
    assert frechet_distance(constant, constant) == 0
    assert frechet_distance(constant, constant - 2) == pytest.approx(4 * 4)
    few = features(3, length=8)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(np.ones((5, 1)), np.zeros((5, 1))) == 1
    assert np.isfinite(frechet_distance(few, features(length=8)))


def test_two_halves_of_real_data_are_the_floor():
    floor = frechet_distance(features(), features(seed=1))
    assert 0 < floor < frechet_distance(features(), features(shift=1.0, seed=1)) / 5


@pytest.mark.parametrize("other", [np.zeros((1, 5)), np.zeros((9, 4))])
def test_sets_that_have_no_distance_are_refused(other):
    with pytest.raises(ValueError, match=r"received shapes \(400, 5\) and"):
        frechet_distance(features(), other)


def by_hand(real, generated, neighbors):
    """Precision as the paper writes it, vector by vector."""
    radii = [np.sort(np.linalg.norm(real - r, axis=1))[neighbors] for r in real]
    inside = [
        any(np.linalg.norm(g - r) <= radius for r, radius in zip(real, radii))
        for g in generated
    ]
    return np.mean(inside)


def test_precision_and_recall_are_those_of_the_definition():
    real, generated = features(80), features(60, 1.5, 1)
    found = precision_recall(real, generated)
    assert found["precision"] == by_hand(real, generated, 3)
    assert found["recall"] == by_hand(generated, real, 3)
    assert 0 < found["precision"] < 1


def test_equal_sets_are_within_and_far_ones_without_each_other():
    real = features(50)
    assert precision_recall(real, real) == {"precision": 1, "recall": 1}
    assert precision_recall(real, real + 99) == {"precision": 0, "recall": 0}


def test_samples_that_are_all_one_real_image_are_precise_and_recall_little():
    real = features(50)
    found = precision_recall(real, np.repeat(real[:1], 20, axis=0))
    assert found == {"precision": 1, "recall": pytest.approx(1 / 50)}


def test_sets_smaller_than_the_neighborhood_are_refused():
    with pytest.raises(ValueError, match="more than 3 vectors.*received 50 and 3"):
        precision_recall(features(50), features(3))


def test_repeats_are_seen_by_the_nearest_other_and_by_recall():
    known = np.random.default_rng(0).normal(size=(256, 4, 4, 1))
    alike = variety(np.random.default_rng(1).normal(size=(256, 4, 4, 1)), known)
    assert alike["nearest_other"] == pytest.approx(1, abs=0.1) and alike["recall"] > 0.6
    # So few have no recall, and a run with a small validation split goes on.
    assert set(variety(known[:2], known[:2])) == {"diversity", "nearest_other"}
    repeated = variety(np.repeat(known[:16], 16, axis=0), known)
    assert repeated["diversity"] > 0.85
    assert repeated["nearest_other"] < 1e-6 and repeated["recall"] < 0.1

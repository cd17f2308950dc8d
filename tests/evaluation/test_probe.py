import numpy as np
import pytest

from vqzoo.evaluation import linear_probe

LABELS = np.repeat([0, 1, 2], [20, 20, 40])


def test_the_labels_themselves_are_read_without_an_error():
    features = np.eye(3)[LABELS].reshape(80, 3, 1)
    result = linear_probe(features, LABELS)
    assert result == {"accuracy": 1, "accuracy_std": 0, "majority_accuracy": 0.5}


def test_constant_features_give_the_most_frequent_class():
    result = linear_probe(np.full((80, 4), 7.0), LABELS)
    assert result == {"accuracy": 0.5, "accuracy_std": 0, "majority_accuracy": 0.5}


def test_random_features_are_near_chance():
    features = np.random.default_rng(0).normal(size=(400, 5))
    result = linear_probe(features, np.arange(400) % 4)
    assert result["accuracy"] == pytest.approx(0.25, abs=0.08)
    assert result["majority_accuracy"] == 0.25
    assert result["accuracy_std"] > 0


def test_the_units_of_the_features_do_not_matter():
    generator = np.random.default_rng(0)
    features = np.eye(3)[LABELS] + generator.normal(size=(80, 3))
    plain = linear_probe(features, LABELS)
    scaled = linear_probe(features * [1e-4, 1.0, 1e4] + [5, -3, 100], LABELS)
    assert scaled["accuracy"] == pytest.approx(plain["accuracy"], abs=0.03)
    assert 0.5 < plain["accuracy"] < 1


def test_code_indices_are_read_as_numbers():
    generator = np.random.default_rng(0)
    low, high = (generator.integers(*r, (50, 4, 4)) for r in ((0, 200), (300, 512)))
    codes = np.concatenate([low, high]).astype("int32")
    result = linear_probe(codes, np.repeat([3, 9], 50))
    assert result["accuracy"] > 0.95


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 classes.*counts \[10\]"):
        linear_probe(np.ones((10, 2)), np.ones(10, int))


def test_a_class_smaller_than_the_folds_is_refused():
    with pytest.raises(ValueError, match=r"with 5 members.*counts \[20, 4\]"):
        linear_probe(np.ones((24, 2)), np.repeat([0, 1], [20, 4]))


def test_the_folds_follow_the_seed():
    generator = np.random.default_rng(0)
    features = np.eye(3)[LABELS] + generator.normal(size=(80, 3))
    results = [linear_probe(features, LABELS, seed=s) for s in (0, 0, 1)]
    assert results[0] == results[1] != results[2]

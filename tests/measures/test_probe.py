import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import (
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vqzoo.measures.data import large_classes
from vqzoo.measures.probe import (
    label_efficiency,
    linear_probe,
    statistical_efficiency,
)
from vqzoo.measures.representation import represent

LABELS = np.repeat([0, 1, 2], [20, 20, 40])


def accuracies(*arguments, **options):
    return linear_probe(*arguments, **options)[0]


def test_the_labels_themselves_are_read_without_an_error():
    features = np.eye(3)[LABELS].reshape(80, 3, 1)
    result = accuracies(features, LABELS)
    assert result == {"accuracy": 1, "accuracy_std": 0, "majority_accuracy": 0.5}


def test_constant_features_give_the_most_frequent_class():
    result = accuracies(np.full((80, 4), 7.0), LABELS)
    assert result == {"accuracy": 0.5, "accuracy_std": 0, "majority_accuracy": 0.5}


def test_random_features_are_near_chance():
    features = np.random.default_rng(0).normal(size=(400, 5))
    result = accuracies(features, np.arange(400) % 4)
    assert result["accuracy"] == pytest.approx(0.25, abs=0.08)
    assert result["majority_accuracy"] == 0.25
    assert result["accuracy_std"] > 0


def test_the_units_of_the_features_do_not_matter():
    generator = np.random.default_rng(0)
    features = np.eye(3)[LABELS] + generator.normal(size=(80, 3))
    plain = accuracies(features, LABELS)
    scaled = accuracies(features * [1e-4, 1.0, 1e4] + [5, -3, 100], LABELS)
    assert scaled["accuracy"] == pytest.approx(plain["accuracy"], abs=0.03)
    assert 0.5 < plain["accuracy"] < 1


def test_code_indices_are_read_as_numbers():
    generator = np.random.default_rng(0)
    low, high = (generator.integers(*r, (50, 4, 4)) for r in ((0, 200), (300, 512)))
    codes = np.concatenate([low, high]).astype("int32")
    result = accuracies(codes, np.repeat([3, 9], 50))
    assert result["accuracy"] > 0.95


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 classes.*counts \[10\]"):
        accuracies(np.ones((10, 2)), np.ones(10, int))


def test_a_class_smaller_than_the_folds_is_refused():
    with pytest.raises(ValueError, match=r"with 5 members.*counts \[20, 4\]"):
        accuracies(np.ones((24, 2)), np.repeat([0, 1], [20, 4]))


def test_classes_smaller_than_the_folds_are_left_out_and_counted():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 7, 9], [20, 3, 20, 40, 4])
    order = generator.permutation(87)
    features = generator.normal(size=(87, 3)) + labels[:, None] % 3
    large = np.isin(labels, [0, 2, 7])
    expected = linear_probe(features[large], labels[large])
    message = "Left out: 2 of 5 classes, with 7 of 87 images, as there are 5 folds"
    with pytest.warns(UserWarning, match=message):
        found = linear_probe(features, labels)
    assert found[0] == expected[0] == {**found[0], "majority_accuracy": 0.5}
    assert found[1].tolist() == expected[1].tolist() and found[1].sum() == 80
    rows, left_out = large_classes(labels[order], 5)
    assert order[rows].tolist() == [row for row in order if large[row]]
    assert left_out.startswith(message)
    assert large_classes(LABELS, 20)[1] == ""
    with pytest.raises(ValueError, match="at least 2 classes with 21 members"):
        large_classes(LABELS, 21)


def test_the_folds_follow_the_seed():
    generator = np.random.default_rng(0)
    features = np.eye(3)[LABELS] + generator.normal(size=(80, 3))
    results = [accuracies(features, LABELS, seed=s) for s in (0, 0, 1)]
    assert results[0] == results[1] != results[2]


def test_the_confusion_is_diagonal_for_labels_and_a_column_for_constants():
    features = np.eye(3)[LABELS]
    figures, confusion = linear_probe(features, LABELS)
    assert confusion.tolist() == [[20, 0, 0], [0, 20, 0], [0, 0, 40]]
    assert figures == accuracies(features, LABELS)
    _, confusion = linear_probe(np.ones((80, 2)), LABELS)
    assert confusion.tolist() == [[0, 0, 20], [0, 0, 20], [0, 0, 40]]


def test_accuracy_and_confusion_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    features = np.eye(3)[LABELS] + generator.normal(size=(80, 3))
    figures, confusion = linear_probe(features, LABELS, seed=4)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=4)
    features = features.astype("float32")
    scores = cross_val_score(classifier, features, LABELS, cv=folds)
    assert figures["accuracy"] == pytest.approx(scores.mean(), abs=1e-3)
    assert figures["accuracy_std"] == pytest.approx(scores.std(), abs=1e-3)
    named = cross_val_predict(classifier, features, LABELS, cv=folds)
    assert np.array_equal(confusion, confusion_matrix(LABELS, named))


def test_a_sparse_matrix_is_read_as_the_numbers_that_it_holds():
    codes = np.stack([LABELS, np.zeros(80, int)], axis=1).reshape(80, 1, 2)
    ones = represent(codes, "one_hot", num_embeddings=3)
    assert accuracies(ones, LABELS)["accuracy"] == 1
    nothing = represent(np.zeros((80, 1, 2), int), "one_hot", num_embeddings=3)
    assert accuracies(nothing, LABELS)["accuracy"] == 0.5


def efficiency(noise, **options):
    generator = np.random.default_rng(0)
    labels = np.arange(1200) % 3
    features = np.eye(3)[labels] + noise * generator.normal(size=(1200, 3))
    split = slice(0, 1000), slice(1000, 1200)
    train, test = ((features[part], labels[part]) for part in split)
    return label_efficiency(*train, *test, **options)


def test_more_labels_read_more_until_all_is_read():
    rows = efficiency(1.0)
    assert [row["labels"] for row in rows] == [10, 100, 1000]
    accuracies = [row["accuracy"] for row in rows]
    assert 1 / 3 < accuracies[0] < accuracies[1] < accuracies[2] + 0.02
    assert rows[0]["accuracy_std"] > 0 and rows[2]["accuracy_std"] == 0
    assert statistical_efficiency(rows, 100, 1000) == pytest.approx(
        accuracies[1] / accuracies[2]
    )
    perfect = efficiency(0.01, counts=(100, 1000))
    assert statistical_efficiency(perfect, 100, 1000) == 1


def test_labels_of_one_class_by_chance_name_that_class():
    labels = np.array([0] * 997 + [1] * 3)
    rows = label_efficiency(
        labels[:, None], labels, np.zeros((8, 1)), np.arange(8) % 2, counts=(10,)
    )
    assert rows[0]["accuracy"] == 0.5


def test_too_few_labels_are_refused():
    with pytest.raises(ValueError, match="at least 10 labels, received 4"):
        label_efficiency(np.eye(4), np.arange(4) % 2, np.eye(4), np.zeros(4))
    with pytest.raises(ValueError, match=r"at least 2 classes.*\[12\]"):
        label_efficiency(np.eye(12), np.zeros(12), np.eye(12), np.zeros(12))
    with pytest.raises(
        ValueError, match="100 and 10,000 labels, received those of 10$"
    ):
        statistical_efficiency([{"labels": 10, "accuracy": 0.5}])

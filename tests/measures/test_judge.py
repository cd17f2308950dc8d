import numpy as np
import pytest

from vqzoo.measures import classification_accuracy_score as score
from vqzoo.measures import judge as judges

SIDE = 16
SMALL = {"filters": (64,), "batch_size": 32, "blocks": (2,)}


def data(count, seed=0, num_classes=3):
    """Images whose label is the channel that is bright."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % num_classes
    images = generator.uniform(-0.5, 0.0, (count, SIDE, SIDE, 3))
    images[np.arange(count), :, :, labels] += 0.5
    return images.astype("float32"), labels


PROGRESS = []


@pytest.fixture(scope="module")
def judge():
    return judges.fit_classifier(
        *data(120), 3, steps=25, progress=PROGRESS.append, **SMALL
    )


def test_classes_that_differ_are_told_apart(judge):
    images, labels = data(60, 1)
    assert judge.accuracy(images, labels) > 0.95
    assert np.array_equal(judge.classify(images), labels)
    assert judge.accuracy(images, labels, top=3) == 1
    features = judge.features(images)
    assert features.shape == (60, 64)
    own = features[labels == 0].mean(axis=0) - features[labels == 1].mean(axis=0)
    assert np.linalg.norm(own) > 0.1


def test_labels_without_a_meaning_are_not_learned(judge):
    images, _ = data(300, 1)
    labels = np.random.default_rng(0).integers(3, size=300)
    assert judge.accuracy(images, labels) == pytest.approx(1 / 3, abs=0.1)


def fixed_of(logits):
    class Fixed(judges.Classifier):
        def _outputs(self, images):
            return np.array(logits), None

    return Fixed(None)


def test_the_top_classes_are_counted_as_ranked():
    fixed = fixed_of([[3.0, 2, 1], [1, 2, 3], [2, 3, 1]])
    assert fixed.accuracy(None, [0, 1, 2]) == pytest.approx(1 / 3)
    assert fixed.accuracy(None, [0, 1, 2], top=2) == pytest.approx(2 / 3)
    assert fixed.accuracy(None, [0, 1, 2], top=3) == 1


def test_outputs_that_are_nan_or_tied_name_nothing():
    nan = np.nan
    broken = fixed_of([[nan, nan, nan], [3.0, nan, 1.0], [1.0, 1.0, 1.0]])
    assert [broken.accuracy(None, [0, 0, 0], top=k) for k in (1, 2)] == [0, 0]
    assert broken.accuracy(None, [0, 0, 0], top=3) == pytest.approx(1 / 3)
    assert broken.classify(None).tolist() == [-1, -1, -1]
    pair = fixed_of([[2.0, 2.0, 1.0]])
    assert [pair.accuracy(None, [1], top=k) for k in (1, 2)] == [0, 1]
    assert pair.classify(None).tolist() == [-1]
    assert fixed_of([[np.inf, 2.0, -np.inf]]).classify(None).tolist() == [0]


@pytest.mark.slow
def test_equal_seeds_learn_equally():
    images, labels = data(24)
    first, again = (
        judges.fit_classifier(images, labels, 3, seed=1, steps=2, **SMALL)
        for _ in range(2)
    )
    np.testing.assert_allclose(
        first.features(images), again.features(images), atol=1e-5
    )
    assert first.features(images).std() > 0


def test_the_network_is_built_from_its_arguments():
    network = judges.resnet((32, 32, 1), 7, filters=(64, 32, 16), blocks=(2, 2, 3))
    assert [tuple(each.shape) for each in network.outputs] == [(None, 7), (None, 16)]
    kinds = [type(layer).__name__ for layer in network.get_layer("backbone").layers]
    # A stem, two convolutions a block, and a shortcut where a stack widens.
    assert kinds.count("Conv2D") == 1 + 2 * 7 + 2


def test_samples_that_are_real_score_as_real_and_noise_scores_by_chance():
    images, labels = data(120)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, images.shape)
    found = score.classification_accuracy_score(
        {"real": (images, labels), "noise": (noise.astype("float32"), labels)},
        *data(60, 1),
        3,
        steps=25,
        **SMALL,
    )
    assert list(found) == ["real_top1", "noise_top1"]
    assert found["real_top1"] > 0.95 and found["noise_top1"] < 0.7


def test_the_five_likeliest_count_where_there_are_more_classes(monkeypatch):
    class Ranked(judges.Classifier):
        def _outputs(self, images):
            return np.tile([6.0, 5, 4, 3, 2, 1], (len(images), 1)), None

    def fit(images, labels, num_classes, steps):
        assert (len(images), num_classes, steps) == (12, 6, 9)
        return Ranked(None)

    monkeypatch.setattr(judges, "fit_classifier", fit)
    images, labels = np.zeros((12, 2, 2, 1)), np.arange(12) % 6
    found = score.classification_accuracy_score(
        {"flat": (images, labels)}, images, labels, 6, steps=9
    )
    assert found == pytest.approx({"flat_top1": 1 / 6, "flat_top5": 5 / 6})


def test_one_class_is_refused():
    images, _ = data(9)
    with pytest.raises(ValueError, match=r"at least 2 classes.*\[9\]"):
        judges.fit_classifier(images, np.zeros(9, int), 1, steps=1)


def test_training_says_how_far_it_is(judge):
    assert PROGRESS == list(range(1, 26))

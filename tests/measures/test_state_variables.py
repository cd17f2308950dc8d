import types

import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import measure
from vqzoo.measures import state_variables as states
from vqzoo.measures.findings import Skipped


def one_hot(values, count):
    return np.eye(count, dtype="float32")[values]


def drawn(count, seed):
    generator = np.random.default_rng(seed)
    return np.stack(
        [generator.integers(5, size=count) * 10, generator.integers(3, size=count)], 1
    )


def test_entropy_is_that_of_the_values():
    assert states.entropy(np.array([7, 7, 9, 9])) == pytest.approx(np.log(2))
    assert states.entropy(np.zeros(5)) == 0


def test_a_probe_reads_what_is_there_and_nothing_else():
    train, test = drawn(600, 0), drawn(200, 1)
    known = [one_hot(each[:, 0] // 10, 5) for each in (train, test)]
    scores, majority = states.class_probe(known[0], train, known[1], test, seed=0)
    assert scores[0] == 1.0
    assert scores[1] < 0.5 and np.all(majority < 0.3)


def test_a_value_that_was_never_seen_is_never_named():
    train, test = drawn(300, 0), drawn(100, 1)
    test[:50, 0] = 99
    known = [one_hot(np.minimum(each[:, 0] // 10, 4), 5) for each in (train, test)]
    scores, _ = states.class_probe(known[0], train, known[1], test)
    assert 0.3 < scores[0] < 0.65


def test_numbers_are_explained_by_what_is_linear_in_them():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(300, 4)).astype("float32")
    values = np.stack([features @ [1, 2, 0, 0], generator.normal(size=300)], axis=1)
    parts = features[:200], values[:200], features[200:], values[200:]
    found = states.number_probe(*parts)
    assert found[0] > 0.999 and found[1] < 0.2


class Experience:
    """Episodes whose frames show the first of their variables."""

    def __init__(self, names=("place", "still"), seed=0):
        self.state_names = names
        self.generator = np.random.default_rng(seed)
        self.splits = {}

    def episodes(self, split):
        if split not in self.splits:
            place = self.generator.integers(4, size=400)
            frames = np.zeros((400, 16, 16, 3), "uint8")
            for frame, each in zip(frames, place):
                frame[4 * each : 4 * each + 4] = 255
            frames[:, 0, 0] = self.generator.integers(256, size=(400, 3))
            both = np.stack([place, np.full(400, 3)], axis=1).astype("float32")
            both = both[:, : len(self.state_names)]
            self.splits[split] = [types.SimpleNamespace(frames=frames, states=both)]
        return self.splits[split]


def test_equal_frames_are_left_out_of_the_test():
    found = Experience()
    frames, _ = states.frames_of(found, "train", 50)
    assert len(frames) == 50
    rest, values = states.frames_of(found, "train", 400, but=frames)
    assert len(rest) == len(values) == 350
    with pytest.raises(ValueError, match="only train episodes have"):
        states.frames_of(found, "train", 400, but=found.episodes("train")[0].frames)


def test_variables_that_do_not_vary_or_are_not_known_are_left_out(monkeypatch):
    monkeypatch.setattr(states, "STEPS", 150)
    subject = small.subject_of()
    counts = {"train_count": 300, "test_count": 100}
    scores, left_out = states.state_probes(subject, Experience(), **counts)
    assert left_out == ["still"] and set(scores) == {"majority", "vectors", "indices"}
    assert scores["vectors"]["place"] > scores["majority"]["place"]
    with pytest.raises(Skipped, match="are not known"):
        states.state_probes(subject, Experience(names=()), **counts)
    (section,) = measure(subject, ["state_variables"])
    assert "no episodes of a game" in next(iter(section.skipped.values()))

import numpy as np
import pytest

from tests.helpers import subject as small
from tests.helpers import worlds
from vqzoo.measures import control, measure
from vqzoo.world import controllers, playing

pytestmark = pytest.mark.once


def test_orders_that_agree_correlate():
    scores = np.array([3.0, 1.0, 2.0])
    assert control.rank_correlation(scores, scores**3) == pytest.approx(1)
    assert control.rank_correlation(scores, -scores) == pytest.approx(-1)
    assert control.rank_correlation(scores, np.ones(3)) == 0


def test_controllers_play_as_many_dreams_as_games(monkeypatch):
    class Games:
        def __init__(self, world, max_steps):
            assert max_steps == 7

        def play_linear(self, parameters, seeds):
            assert len(seeds) == 2
            return parameters.sum(axis=1)

        def close(self):
            pass

    monkeypatch.setattr(playing, "Games", Games)
    options = {"count": 3, "games": 2, "horizon": 2, "max_steps": 7}
    found = control.dream_and_game(worlds.small(), **options)
    assert found["dreamed"].shape == found["real"].shape == (3,)
    assert np.all(np.abs(found["dreamed"]) <= 2)
    again = control.dream_and_game(worlds.small(), **options)
    np.testing.assert_array_equal(found["dreamed"], again["dreamed"])


def test_a_report_has_the_scores_of_a_world_and_of_its_controller(tmp_path):
    games = pytest.importorskip("tests.helpers.games", reason="needs gymnasium")
    subject = small.subject_of()
    (section,) = measure(subject, ["control"])
    assert "give the folder of a world model" in next(iter(section.skipped.values()))
    world = worlds.small()
    world.environment, world.options = games.NAME, {"frame_size": 16}
    world.path = tmp_path
    subject.options |= {"world": world, "quick": True}
    (section,) = measure(subject, ["control"])
    assert section.skipped == {"score": "the world has no controller"}
    assert len(section.tables[0].rows) == 4
    assert -1 <= section.metrics["rank_correlation"] <= 1
    linear = controllers.linear(world.memory, world.actions)
    linear.save(tmp_path / "controller.keras")
    (section,) = measure(subject, ["control"])
    assert section.skipped == {}
    assert section.metrics["score"] in (-1, 0, 1) and "random_stddev" in section.metrics

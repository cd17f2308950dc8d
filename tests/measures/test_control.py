import numpy as np
import pytest

from tests.helpers import worlds
from vqzoo.measures import control
from vqzoo.world import playing

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

"""How scores in dreams relate to scores in the game."""

import numpy as np

from vqzoo.world import controllers, playing


def rank_correlation(first, second):
    """Spearman's correlation of two sets of scores `(N,)`; 0 where one is constant."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def dream_and_game(world, *, count=16, games=2, horizon=50, max_steps=0, seed=0):
    """Scores of linear controllers drawn at random, in dreams and in the real game.

    Args:
        world: `World`.
        count: int, controllers.
        games: int, games of each controller, dreamed and real.
        horizon: int, actions per dream.
        max_steps: int, as in `playing.Games`.
        seed: int.

    Returns:
        dict: `rank_correlation`, and arrays `dreamed` and `real`, `(count,)`.
    """
    generator = np.random.default_rng(seed)
    size = controllers.num_parameters(world.memory, world.actions)
    drawn = generator.normal(size=(count, size)).astype("float32")
    played = playing.Games(world, max_steps)
    real = played.play_linear(drawn, generator.integers(2**31, size=games))
    played.close()
    begun = playing.starts(world)
    dreamed = playing.dream_linear(world, begun, drawn, horizon, generator, count=games)
    return {
        "rank_correlation": rank_correlation(dreamed, real),
        "dreamed": dreamed,
        "real": real,
    }

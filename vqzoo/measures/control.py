"""Scores of controllers in the real game, and how scores in dreams foretell them."""

import keras
import numpy as np

from vqzoo import registry
from vqzoo.frame import Failure
from vqzoo.measures.findings import Skipped
from vqzoo.world import CONTROLLER, controllers, playing

ORDER = 7.6
TITLE = "Control"
TEXT = (
    "Scores in the real game: of the controller of the world model, over 16 games with "
    "seeds that training did not use, beside random actions; the deviation is that of "
    "games. Whether dreams foretell scores: linear controllers drawn at random play "
    "dreams and real games, and their mean scores are compared by rank."
)
GLANCE = {"score": "score in the game", "random": "score of random actions"}
GAMES = 16
FIRST_SEED = 10_000  # Training draws its seeds from all numbers.
QUICK = {"count": 4, "games": 1, "horizon": 15, "max_steps": 200}


def rank_correlation(first, second):
    """Spearman's correlation of two sets of scores `(N,)`; 0 where one is constant."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def real_scores(world, controller, *, games=GAMES, max_steps=0):
    """Scores of a controller in the real game, beside those of random actions.

    Args:
        world: `World`.
        controller: `keras.Model` as from `controllers.linear` or `actor_critic`.
        games: int.
        max_steps: int, as in `playing.Games`.

    Returns:
        dict of floats: `score` and `random`, means over the games, and the same with
        `_stddev`.
    """
    policies = {
        "score": controllers.Policy(world.memory, world.actions, controller),
        "random": controllers.RandomPolicy(world.actions),
    }
    played, found = playing.Games(world, max_steps), {}
    for name, policy in policies.items():
        scores = played.play(policy, FIRST_SEED + np.arange(games))
        found |= {name: float(scores.mean()), f"{name}_stddev": float(scores.std())}
    played.close()
    return found


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


@registry.named("control")
def measure(subject, section):
    """Scores of the controller of a world, and the correlation of dream and game."""
    world, quick = subject.options.get("world"), subject.options.get("quick")
    if world is None:
        raise Skipped("there is no memory: give the folder of a world model")
    try:
        both = dream_and_game(world, **(QUICK if quick else {}))
    except Failure as error:  # A package is missing.
        raise Skipped(str(error)) from error
    section.add({"rank_correlation": both["rank_correlation"]})
    rows = [
        (f"random controller {number}", *scores)
        for number, scores in enumerate(zip(both["dreamed"], both["real"]), start=1)
    ]
    header = ("", "mean score in dreams", "mean score in the game")
    section.table(f"Scores in {world.environment}", header, rows)
    with section.attempt("score"):
        file = world.path / f"{CONTROLLER}.keras" if world.path else None
        if file is None or not file.is_file():
            raise Skipped("the world has no controller")
        limit = {"games": 2, "max_steps": QUICK["max_steps"]} if quick else {}
        controller = keras.saving.load_model(file, compile=False)
        section.add(real_scores(world, controller, **limit))

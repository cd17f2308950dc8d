"""Controllers play many games at once, dreamed or real."""

import concurrent.futures
import multiprocessing
import os
import threading
import time

import numpy as np

from vqzoo.world import controllers
from vqzoo.world.environments import PixelEnvironment


def starts(world):
    """The state of the world's memory after its starts, one row each."""
    frames, actions = world.starts["frame"], world.starts["action"]
    world.reset(frames, actions[:, :-1], seed=0)
    return world.state


def rows_of(state, rows):
    """Some rows of a memory's state; scalars are shared by all rows."""
    if isinstance(state, dict):
        return {name: rows_of(each, rows) for name, each in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(rows_of(each, rows) for each in state)
    return state[rows] if np.ndim(state) else state


def dream(world, state, policy, steps, generator, temperature=1.0):
    """Plays in the dream only.

    Args:
        world: `World`.
        state: of its memory; each row is a game.
        policy: with `act(state, generator)`, as in `controllers`.
        steps: int, actions per game.
        generator: `np.random.Generator`.
        temperature: float above 0, of the memory.

    Returns:
        dict: `states`, a list of `steps` + 1 states; `actions` `(games, steps, ...)`,
        `rewards` float32 and `ends` bool `(games, steps)`.
    """
    states, actions, rewards, ends = [state], [], [], []
    for _ in range(steps):
        actions.append(policy.act(state, generator))
        _, gained, ended, state = world.memory.imagine(
            state, actions[-1], temperature=temperature, seed=generator
        )
        states.append(state)
        rewards.append(gained)
        ends.append(ended)
    arrays = {"actions": actions, "rewards": rewards, "ends": ends}
    return {
        "states": states,
        **{name: np.stack(rows, axis=1) for name, rows in arrays.items()},
    }


def dream_linear(world, begun, parameters, horizon, generator, *, count, temperature=1):
    """Mean scores `(controllers,)` of linear controllers in dreams from equal starts.

    Args:
        world: `World`.
        begun: state, as from `starts`.
        parameters: as in `controllers.LinearPolicy`.
        horizon: int, actions per dream.
        generator: `np.random.Generator`.
        count: int, dreams per controller.
        temperature: as in `dream`.
    """
    rows = generator.integers(len(begun["latents"]), size=count)
    found = dream(
        world,
        rows_of(begun, np.tile(rows, len(parameters))),
        controllers.LinearPolicy(world.memory, world.actions, parameters),
        horizon,
        generator,
        temperature,
    )
    kept = found["rewards"] * going(found["ends"])
    return kept.sum(axis=1).reshape(len(parameters), -1).mean(axis=1)


def going(ends):
    """Whether each step comes before the end of its game: bool, shape of `ends`."""
    return np.cumsum(ends, axis=1) - ends == 0


class Games:
    """Real games, played side by side; the model encodes their frames.

    Args:
        world: `World`.
        max_steps: int, actions after which a game is cut off; 0: as the episodes that
            the world learned from.
    """

    def __init__(self, world, max_steps=0):
        self.world = world
        self.options = {**world.options}
        if max_steps:
            self.options["max_steps"] = max_steps
        self._games = []

    def play(self, policy, seeds):
        """Plays games and returns their scores, float64 `(games,)`.

        Args:
            policy: with `act(state, generator)`, as in `controllers`.
            seeds: ints `(games,)`; equal seeds give equal games.
        """
        while len(self._games) < len(seeds):
            game = PixelEnvironment(self.world.environment, **self.options)
            self._games.append(game)
        world, memory = self.world, self.world.memory
        games = self._games[: len(seeds)]
        generator = np.random.default_rng(list(map(int, seeds)))
        frames = np.stack([game.reset(int(s)) for game, s in zip(games, seeds)])
        gained, left = np.zeros(len(games)), np.ones(len(games), bool)
        state = memory.observe(memory.start(len(games)), world.encode(frames))
        while left.any():
            actions = policy.act(state, generator)
            for row in np.flatnonzero(left):
                frames[row], reward, ended, cut = games[row].step(actions[row])
                gained[row] += reward
                left[row] = not (ended or cut)
            state = memory.observe(state, world.encode(frames), actions)
        return gained

    def play_linear(self, parameters, seeds):
        """Mean scores `(controllers,)` of linear controllers; each plays all seeds."""
        world, count = self.world, len(parameters)
        policy = controllers.LinearPolicy(world.memory, world.actions, parameters)
        return self.play(policy, np.tile(seeds, count)).reshape(count, -1).mean(axis=1)

    def close(self):
        """Closes the games."""
        for game in self._games:
            game.close()


class Players:
    """Processes that play a world's real game; a single one is this process.

    Args:
        world: `World`.
        load: `vqzoo.load`, with which other processes load the world.
        processes: int, at least 1.
        max_steps: int, as in `Games`.
    """

    def __init__(self, world, load, processes=1, max_steps=0):
        self._games, self._pool = Games(world, max_steps), None
        self.processes = processes
        if processes > 1:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                processes,
                multiprocessing.get_context("spawn"),
                _begin,
                (load, str(world.path), max_steps, os.getpid()),
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._games.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def scores(self, parameters, seeds):
        """As in `Games.play_linear`; the processes share the controllers."""
        if self._pool is None:
            return self._games.play_linear(parameters, seeds)
        shares = np.array_split(parameters, min(self.processes, len(parameters)))
        found = self._pool.map(_scores, shares, [seeds] * len(shares))
        return np.concatenate(list(found))


_of_this_process = {}


def _begin(load, path, max_steps, parent):
    """Prepares a process of `Players`, which ends when its parent does."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _of_this_process["games"] = Games(load(path), max_steps)


def _scores(parameters, seeds):
    return _of_this_process["games"].play_linear(parameters, seeds)

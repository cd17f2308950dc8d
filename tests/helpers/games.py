"""A game of pixels for tests: a ball crosses the screen, a paddle follows actions."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs gymnasium")

NAME = "tests.helpers.games:Catch-v0"


class Catch(gymnasium.Env):
    """A ball falls for 8 steps in a column that is drawn; the paddle is below."""

    metadata = {"render_modes": []}

    def __init__(self, kind="pixels", actions="discrete"):
        spaces = gymnasium.spaces
        image = spaces.Box(0, 255, (16, 16, 3), np.uint8)
        self.observation_space = {
            "pixels": image,
            "dict": spaces.Dict({"image": image}),
            "vector": spaces.Box(0, 1, (4,), np.float32),
        }[kind]
        one, many = spaces.Discrete(3), spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = {
            "discrete": one,
            "continuous": many,
            "mixed": spaces.Tuple((one, many)),
            "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
        }[actions]

    def _image(self):
        image = np.zeros((16, 16, 3), np.uint8)
        image[
            2 * self.row : 2 * self.row + 2, 4 * self.column : 4 * self.column + 4
        ] = 255
        image[14:, 4 * self.paddle : 4 * self.paddle + 4, 0] = 200
        return image

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.row, self.column = 0, int(self.np_random.integers(4))
        self.paddle = 1
        return self._image(), {}

    def step(self, action):
        move = int(action) - 1 if np.ndim(action) == 0 else int(np.sign(action[0]))
        self.paddle = int(np.clip(self.paddle + move, 0, 3))
        self.row += 1
        done = self.row == 7
        reward = 0.0 if not done else 1.0 if self.paddle == self.column else -1.0
        return self._image(), reward, done, False, {}


if "Catch-v0" not in gymnasium.registry:
    gymnasium.register("Catch-v0", lambda **options: Catch(**options))

"""Dreams as gymnasium environments."""

import numpy as np

from vqzoo.world import extras, playing

try:
    from gymnasium import Env, spaces
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError:  # The classes say what to install.
    Env = VectorEnv = object


class DreamEnv(Env):
    """One dream as a gymnasium environment.

    Args:
        world: `World`, which nothing else may use meanwhile.
        max_steps: int, after which an episode is truncated.
        temperature: float above 0.
        render_mode: `"rgb_array"` or None.
    Raises: MissingExtra: if gymnasium is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}

    def __init__(self, world, *, max_steps=1000, temperature=1.0, render_mode=None):
        extras.take("gymnasium", "DreamEnv")
        self.world = world
        self.max_steps = max_steps
        self.temperature = temperature
        self.render_mode = render_mode
        self.observation_space = _pixels(world)
        self.action_space = world.actions.space()
        self._frame = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        self._frame = self.world.reset(seed=int(self.np_random.integers(2**31)))[0]
        return self._frame, {}

    def step(self, action):
        frames, rewards, ends = self.world.step(
            np.asarray(action)[None], self.temperature
        )
        self._steps += 1
        self._frame, ended = frames[0], bool(ends[0])
        truncated = self._steps >= self.max_steps and not ended
        return self._frame, float(rewards[0]), ended, truncated, {}

    def render(self):
        return self._frame if self.render_mode else None


class DreamVectorEnv(VectorEnv):
    """Several dreams at once; those that began together share steps of the memory.

    A dream that has ended restarts at the next step, whose action is ignored.

    Args:
        world: `World`, which nothing else may use meanwhile.
        num_envs: int.
        max_steps, temperature: as in `DreamEnv`.
    Raises: MissingExtra: if gymnasium is not installed.
    """

    def __init__(self, world, num_envs, *, max_steps=1000, temperature=1.0):
        extras.take("gymnasium", "DreamVectorEnv")
        self.world = world
        self.num_envs = num_envs
        self.max_steps = max_steps
        self.temperature = temperature
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.single_observation_space = _pixels(world)
        self.single_action_space = world.actions.space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = np.zeros(self.num_envs, int)
        self._over = np.zeros(self.num_envs, bool)
        self._groups = []
        self._frames = np.zeros(self.observation_space.shape, np.uint8)
        self._begin(np.arange(self.num_envs))
        return self._frames.copy(), {}

    def _begin(self, rows):
        """Begins new dreams in some rows, which form a group from then on."""
        kept = ((g, ~np.isin(g, rows), state) for g, state in self._groups)
        self._groups = [
            (g[k], playing.rows_of(state, k)) for g, k, state in kept if k.any()
        ]
        seed = int(self.np_random.integers(2**31))
        self._frames[rows] = self.world.reset(batch=len(rows), seed=seed)
        self._groups.append((rows, self.world.state))
        self._steps[rows] = 0

    def step(self, actions):
        actions = np.asarray(actions)
        over = np.flatnonzero(self._over)
        going = ~self._over
        rewards = np.zeros(self.num_envs, np.float64)
        ended = np.zeros(self.num_envs, bool)
        if len(over):
            self._begin(over)
        groups = self._groups[:-1] if len(over) else self._groups
        begun = self._groups[len(groups) :]
        stepped = []
        for rows, state in groups:
            self.world.state = state
            frames, gained, ends = self.world.step(actions[rows], self.temperature)
            self._frames[rows], rewards[rows], ended[rows] = frames, gained, ends
            stepped.append((rows, self.world.state))
        self._groups = stepped + begun
        self._steps[going] += 1
        truncated = going & (self._steps >= self.max_steps) & ~ended
        self._over = ended | truncated
        return self._frames.copy(), rewards, ended, truncated, {}


def _pixels(world):
    return spaces.Box(0, 255, world.frame_shape, np.uint8)

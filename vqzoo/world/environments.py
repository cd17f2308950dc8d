"""Real games: any gymnasium environment whose observation is an image."""

import contextlib

import numpy as np

from vqzoo.registry import lazily
from vqzoo.world import actions as action_spaces
from vqzoo.world import atari_states, extras

pillow = lazily("PIL.Image")

# Packages that some gymnasium environments need.
BEHIND = {"ALE/": "ale_py", "CarRacing": "Box2D"}


class PixelEnvironment:
    """A game with frames of one size, checked actions, and state variables.

    Args:
        name: str, as in gymnasium, such as `"ALE/Pong-v5"` or `"CarRacing-v3"`.
        frame_size: int, side of the square frames; larger images are averaged down.
        action_repeat: int, how often an action is repeated; rewards are summed. ALE
            games repeat by themselves.
        max_steps: int, actions after which an episode is truncated; 0 leaves this to
            the environment.
        options: dict, further arguments of `gymnasium.make`.
    Raises:
        MissingExtra: if a package is not installed.
        ValueError: if there is no such environment, its observation is not an image, or
            its actions are neither discrete nor bounded real numbers.
    """

    def __init__(
        self, name, *, frame_size=64, action_repeat=1, max_steps=0, options=None
    ):
        if frame_size < 8 or action_repeat < 1 or max_steps < 0:
            raise ValueError(
                "expected frame_size of at least 8, action_repeat of at least 1 and "
                f"max_steps of at least 0, received {frame_size}, {action_repeat} and "
                f"{max_steps}"
            )
        self.name = name
        self.frame_size = frame_size
        self.action_repeat = action_repeat
        self.max_steps = max_steps
        self._game = _make(name, dict(options or {}))
        self._check_pixels()
        self.actions = action_spaces.of(self._game.action_space, self._action_names())
        self._names, self._read = _variables(name, self._game.unwrapped)
        self._steps = 0

    @property
    def frame_shape(self):
        """`(height, width, channels)` of its frames."""
        return (self.frame_size, self.frame_size, 3)

    @property
    def state_names(self):
        """Names of the variables that `state` gives; empty if they are unknown."""
        return self._names

    def state(self):
        """The state variables now: float32 `(n,)`."""
        return np.array(self._read(), "float32")

    def reset(self, seed=None):
        """The first frame of a new episode, uint8 `frame_shape`."""
        observation, _ = self._game.reset(seed=seed)
        self._steps = 0
        return self._frame(observation)

    def step(self, action):
        """Takes an action: `(frame, reward, terminated, truncated)`.

        Raises: ValueError: if the action is outside the space.
        """
        action = self.actions.check(action)
        if self.actions.is_discrete:
            action = int(action)
        reward, terminated, truncated = 0.0, False, False
        for _ in range(self.action_repeat):
            observation, gain, terminated, truncated, _ = self._game.step(action)
            reward += float(gain)
            if terminated or truncated:
                break
        self._steps += 1
        truncated = truncated or (0 < self.max_steps <= self._steps)
        # A game that ended by itself was not truncated.
        truncated = bool(truncated and not terminated)
        return self._frame(observation), reward, bool(terminated), truncated

    def close(self):
        """Closes the game."""
        self._game.close()

    def _frame(self, observation):
        if observation.shape[2:] == (1,):
            observation = observation[..., 0]
        image = pillow.fromarray(observation)
        if image.mode != "RGB":
            image = image.convert("RGB")
        if image.size != (self.frame_size, self.frame_size):
            size = (self.frame_size, self.frame_size)
            image = image.resize(size, pillow.Resampling.BOX)
        return np.asarray(image)

    def _check_pixels(self):
        space = self._game.observation_space
        shape, dtype = getattr(space, "shape", None) or (), space.dtype
        is_image = len(shape) == 3 and shape[2] in (1, 3) or len(shape) == 2
        if not is_image or dtype != np.uint8:
            hint = ""
            if hasattr(space, "keys"):
                hint = f": it gives a dict of {', '.join(space.keys())}"
            raise ValueError(
                f"expected an environment whose observation is an image of uint8, "
                f"received {self.name}{hint} with {space}"
            )

    def _action_names(self):
        with contextlib.suppress(AttributeError):
            return tuple(self._game.unwrapped.get_action_meanings())
        return ()


def _make(name, options):
    gymnasium = extras.take("gymnasium", f"the environment {name}")
    for start, package in BEHIND.items():
        if name.startswith(start):
            module = extras.take(package, f"the environment {name}")
            if start == "ALE/":
                gymnasium.register_envs(module)
                module.ALEInterface.setLoggerMode(module.LoggerMode.Error)
    try:
        return gymnasium.make(name, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled as error:
        raise extras.MissingExtra(f"{name}: {error}: {extras.INSTALL}") from error
    except (gymnasium.error.Error, ModuleNotFoundError, TypeError) as error:
        raise ValueError(
            f"expected an environment of gymnasium, received {name!r}: {error}"
        ) from error


def _variables(name, game):
    """Names of a game's state variables, and a function that reads them."""
    if hasattr(game, "ale"):
        places = atari_states.addresses(name)
        at = list(places.values())
        return tuple(places), lambda: game.ale.getRAM()[at]
    if name.startswith("CarRacing"):

        def read():
            hull = game.car.hull
            return *hull.position, hull.angle, np.hypot(*hull.linearVelocity)

        return ("x", "y", "angle", "speed"), read
    return (), tuple

"""Policies that choose actions while experience is collected."""

import abc

from vqzoo.registry import lazily
from vqzoo.world import POLICY_NAMES

controllers = lazily("vqzoo.world.controllers")


class Policy(abc.ABC):
    """Chooses an action for a frame; it may keep state during an episode."""

    def start(self, generator):
        """Begins a new episode.

        Args:
            generator: `np.random.Generator`, for all randomness in the episode.
        """
        self.generator = generator

    @abc.abstractmethod
    def act(self, frame):
        """The action for a frame, uint8 `(height, width, channels)`."""


class Random(Policy):
    """Draws actions uniformly.

    Args:
        actions: `Actions`.
    """

    def __init__(self, actions):
        self.actions = actions

    def act(self, frame):
        return self.actions.random(self.generator)


class Sticky(Random):
    """Draws actions uniformly and repeats each for a while, to explore further.

    Args:
        actions: `Actions`.
        repeat_share: float in [0, 1), probability of repeating the last action.
    """

    def __init__(self, actions, repeat_share=0.9):
        super().__init__(actions)
        self.repeat_share = repeat_share

    def start(self, generator):
        super().start(generator)
        self.last = None

    def act(self, frame):
        if self.last is None or self.generator.random() >= self.repeat_share:
            self.last = super().act(frame)
        return self.last


class Controlled(Policy):
    """Plays as a trained controller, with random actions now and then.

    Args:
        actions: `Actions`.
        path: folder of a run of `world_controller` or `world_model`.
        load_world: `vqzoo.load`.
        random_share: float in [0, 1], probability of a random action.
    Raises:
        ValueError: if there is no controller, or it is of another game's actions.
    """

    def __init__(self, actions, path, load_world, random_share=0.1):
        self.world, controller = controllers.load(path, load_world)
        if self.world.actions != actions:
            raise ValueError(
                f"expected a controller of {actions}, received {self.world.actions} of "
                f"{path}"
            )
        self.policy = controllers.Policy(self.world.memory, actions, controller)
        self.random_share = random_share

    def start(self, generator):
        super().start(generator)
        self.state, self.last = self.world.memory.start(1), None

    def act(self, frame):
        memory = self.world.memory
        latents = self.world.encode(frame[None])
        self.state = memory.observe(self.state, latents, self.last)
        self.last = self.policy.act(self.state, self.generator)
        if self.generator.random() < self.random_share:
            self.last = self.world.actions.random(self.generator, 1)
        return self.last[0]


POLICIES = dict(zip(POLICY_NAMES, (Random, Sticky)))

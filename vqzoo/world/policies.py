"""Policies that choose actions while experience is collected."""

import abc

from vqzoo.world import POLICY_NAMES


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


POLICIES = dict(zip(POLICY_NAMES, (Random, Sticky)))

"""Action spaces: discrete actions, or bounded real-valued ones."""

import dataclasses

import numpy as np

from vqzoo.world import extras


@dataclasses.dataclass(frozen=True)
class Actions:
    """The actions of an environment.

    Args:
        count: int, number of discrete actions; 0 for real-valued ones.
        low, high: tuples of float, bounds of each dimension; empty for discrete ones.
        names: tuple of str, of the actions or dimensions, or empty.
    Raises: ValueError: if both kinds are given, or neither, or bounds do not match.
    """

    count: int = 0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self):
        for name in ("low", "high", "names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if (self.count > 0) == bool(self.low) or len(self.low) != len(self.high):
            raise ValueError(
                "expected a count of actions, or low and high of real numbers, "
                f"received count={self.count}, low={self.low}, high={self.high}"
            )

    @property
    def is_discrete(self):
        """Whether actions are discrete."""
        return self.count > 0

    @property
    def dim(self):
        """Length of an encoded action."""
        return self.count or len(self.low)

    @property
    def action_dim(self):
        """Length of a real-valued action; 0 for discrete ones."""
        return len(self.low)

    def zeros(self, *shape):
        """Zeros as actions: int64 `shape`, or float32 `(*shape, action_dim)`."""
        if self.is_discrete:
            return np.zeros(shape, "int64")
        return np.zeros((*shape, self.action_dim), "float32")

    def check(self, actions):
        """Actions as int64 `(...)` or float32 `(..., action_dim)`.

        Raises: ValueError: if an action is outside the space.
        """
        given = np.asarray(actions)
        if self.is_discrete:
            fits = given.dtype.kind in "iu" and np.all(
                (given >= 0) & (given < self.count)
            )
            expected, dtype = f"ints from 0 to {self.count - 1}", "int64"
        else:
            fits = (
                given.dtype.kind in "fiu"
                and given.shape[-1:] == (self.action_dim,)
                and np.all((given >= self.low) & (given <= self.high))
            )
            expected = f"{self.action_dim} numbers from {self.low} to {self.high}"
            dtype = "float32"
        if not fits:
            raise ValueError(f"expected actions of {expected}, received {actions!r}")
        return given.astype(dtype)

    def encode(self, actions):
        """Actions as inputs of a network: float32 `(..., dim)`.

        Discrete actions become one-hot, real values are scaled to [-1, 1].
        """
        actions = self.check(actions)
        if self.is_discrete:
            return np.eye(self.count, dtype="float32")[actions]
        low, high = np.array(self.low), np.array(self.high)
        return (2 * (actions - low) / (high - low) - 1).astype("float32")

    def random(self, generator, *shape):
        """Uniformly random actions from a `np.random.Generator`."""
        if self.is_discrete:
            return generator.integers(self.count, size=shape)
        size = (*shape, self.action_dim)
        return generator.uniform(self.low, self.high, size).astype("float32")

    def as_json(self):
        """The arguments as JSON; `Actions(**json)` is equal."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v}

    def space(self):
        """The gymnasium space."""
        spaces = extras.take("gymnasium", "a space of actions").spaces
        if self.is_discrete:
            return spaces.Discrete(self.count)
        bounds = (np.array(each, "float32") for each in (self.low, self.high))
        return spaces.Box(*bounds, dtype=np.float32)


def of(space, names=()):
    """The actions of a gymnasium space.

    Raises:
        ValueError: if they are neither discrete nor a vector of bounded numbers.
    """
    spaces = extras.take("gymnasium", "a space of actions").spaces
    if isinstance(space, spaces.Discrete) and not space.start:
        return Actions(count=int(space.n), names=names)
    if (
        isinstance(space, spaces.Box)
        and len(space.shape) == 1
        and space.dtype.kind == "f"
        and np.isfinite([space.low, space.high]).all()
    ):
        bounds = (
            tuple(each.astype(float).tolist()) for each in (space.low, space.high)
        )
        return Actions(0, *bounds, names)
    raise ValueError(
        "expected discrete actions (Discrete from 0 on) or bounded real numbers "
        f"(Box of one axis), and not a mixture, received {space}"
    )

"""Episodes of a game on disk: their format, and how to read them.

An episode is one `.npy` file with a structured array, one row per frame, which is
mapped from the disk. The card beside the episodes describes them.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets.holdout import SPLITS

CARD = "experience.json"
EPISODES = "episodes"
HELD_OUT = 0.1  # share of the episodes in each of the last two splits
OPEN = 128  # files mapped at once; systems often allow a process 1,024


def row_type(frame_shape, action_dim=0, num_states=0):
    """The dtype of a frame with its action, and the reward and end that followed.

    Args:
        frame_shape: `(height, width, channels)`.
        action_dim: int, length of a real-valued action; 0 for discrete ones.
        num_states: int, state variables.
    """
    action = ("action", "<f4", (action_dim,)) if action_dim else ("action", "<i8")
    return np.dtype(
        [
            ("frame", "u1", tuple(frame_shape)),
            action,
            ("reward", "<f4"),
            ("terminated", "?"),
            ("truncated", "?"),
            ("state", "<f4", (num_states,)),
        ]
    )


@functools.lru_cache(OPEN)
def _opened(path, state):
    del state  # of the file: another one of that name is opened anew
    return np.load(path, mmap_mode="r", allow_pickle=False)


def mapped(path):
    """The array of a `.npy` file, mapped from the disk.

    While somebody holds it or a part of it, its file is open: hold a `Mapped` instead.
    """
    found = os.stat(path)
    return _opened(path, (found.st_ino, found.st_mtime_ns, found.st_size))


class Mapped:
    """An array in a `.npy` file whose parts are read on demand, as many as there are.

    Args:
        path: path of the file.
        field: name of a field of a structured array, or None.
    """

    def __init__(self, path, field=None):
        self.path, self.field = path, field

    def __array__(self, dtype=None, copy=None):
        return np.array(self[:], dtype)

    def __getitem__(self, key):
        return np.array(self._array[key])

    def __len__(self):
        return len(self._array)

    @property
    def shape(self):
        """As of an array."""
        return self._array.shape

    @property
    def _array(self):
        whole = mapped(self.path)
        return whole if self.field is None else whole[self.field]


@dataclasses.dataclass(frozen=True)
class Episode:
    """An episode of T actions and T + 1 frames, mapped from its file.

    Args:
        path: `pathlib.Path` of the file.
    """

    path: pathlib.Path

    @property
    def rows(self):
        """The structured array of the file, `(T + 1,)`; the last row has no action.

        Raises: ValueError: if the file is not an episode.
        """
        try:
            rows = mapped(self.path)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{self.path} is no episode: {error}") from error
        if rows.dtype.names != row_type((1, 1, 1)).names or len(rows) < 2:
            raise ValueError(
                f"expected an episode of frames and actions in {self.path}, received "
                f"{len(rows)} rows of {rows.dtype}"
            )
        return rows

    def __len__(self):
        """T, the number of its actions."""
        return len(self.rows) - 1

    @property
    def frames(self):
        """Uint8 `(T + 1, height, width, channels)`, mapped."""
        return self.rows["frame"]

    @property
    def actions(self):
        """Int64 `(T,)`, or float32 `(T, action_dim)`: the action at each frame."""
        return self.rows["action"][:-1]

    @property
    def rewards(self):
        """Float32 `(T,)`, of each action."""
        return self.rows["reward"][:-1]

    @property
    def terminated(self):
        """Bool `(T,)`: whether the game ended with the action."""
        return self.rows["terminated"][:-1]

    @property
    def truncated(self):
        """Bool `(T,)`: whether the episode was cut off after the action."""
        return self.rows["truncated"][:-1]

    @property
    def states(self):
        """Float32 `(T + 1, n)`: state variables of the game at each frame."""
        return self.rows["state"]


class Experience:
    """All episodes of a folder.

    Args:
        path: the folder, such as that of a run of `world_experience`.
    Raises:
        FileNotFoundError: if there is no card.
        ValueError: if the card is damaged or empty, or frame shapes differ.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        file = self.path / CARD
        if not file.is_file():
            raise FileNotFoundError(
                f"expected a folder of episodes with {CARD}, as a run of "
                f"world_experience writes it, found none in {self.path}"
            )
        try:
            self.card = json.loads(file.read_text(encoding="utf-8"))
            self._listed = {each["file"]: each for each in self.card["episodes"]}
            shape = tuple(map(int, self.card["frame_shape"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is no card of episodes: {error!r}") from error
        self.frame_shape = shape
        # Names without folders: a card names only files in its own folder.
        names = [pathlib.PurePosixPath(name).name for name in self._listed]
        self.all = [Episode(self.path / EPISODES / name) for name in names]
        if not self.all:
            raise ValueError(f"expected episodes in {self.path}, received none")
        for episode in self.all:
            if episode.frames.shape[1:] != shape:
                raise ValueError(
                    f"expected episodes of frames of {shape}, as {file} says, received "
                    f"{episode.path} of {episode.frames.shape[1:]}"
                )

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state variables; empty if they are unknown."""
        return tuple(self.card["states"])

    @property
    def fingerprint(self) -> str:
        """sha256 of all episodes, in their order."""
        digests = [each["digest"] for each in self._listed.values()]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def episodes(self, split: str | None = None) -> Sequence[Episode]:
        """The episodes of a split of `SPLITS`, or all of them.

        The hash of its content decides the split of an episode: equal ones are in one
        split, and an episode keeps its split when others are added.

        Raises: ValueError: if there is no such split, or no episode in it.
        """
        if split is None:
            return self.all
        if split not in SPLITS:
            raise ValueError(f"expected a split of {SPLITS}, received {split!r}")
        digests = [each["digest"] for each in self._listed.values()]
        parts = _parts(digests)
        chosen = [each for each, part in zip(self.all, parts) if part == split]
        if not chosen:
            raise ValueError(
                f"expected at least 3 different episodes in {self.path}, received "
                f"{len(set(digests))}: there is none for the split {split!r}"
            )
        return chosen


def _parts(digests):
    """The split of each digest; of three digests, each split gets at least one."""
    places = {each: int(each[:8], 16) / 16**8 for each in set(digests)}
    order = sorted(places, key=places.get)
    limits = (HELD_OUT, 2 * HELD_OUT)
    first = max(1, sum(places[each] < limits[0] for each in order))
    last = max(first + 1, sum(places[each] < limits[1] for each in order))
    test, validation = set(order[:first]), set(order[first:last])
    return [
        "test" if d in test else "validation" if d in validation else "train"
        for d in digests
    ]

"""Films and episodes as latents on disk, and windows of them to train on."""

import dataclasses
import typing

import numpy as np

from vqzoo import images
from vqzoo.datasets import experience
from vqzoo.measures import inference
from vqzoo.registry import lazily
from vqzoo.runs import files

tf = lazily("tensorflow")
BATCH = 64  # frames encoded at once


@dataclasses.dataclass(frozen=True)
class Film:
    """Frames in order and, for a game, the action at each.

    Args:
        frames: uint8 `(n, height, width, C)`, or latents `(n, frame_size)`.
        actions: `(n, ...)` or None; the last one is ignored.
        rewards, ends: `(n,)` or None, of the actions.
    """

    frames: typing.Any
    actions: typing.Any = None
    rewards: typing.Any = None
    ends: typing.Any = None

    def __len__(self):
        return len(self.frames)


def of_episode(episode):
    """The film of an `Episode`; its last frame gets an action, which is ignored.

    Ends are those of the game, not time limits.
    """
    rows = {
        "actions": episode.actions,
        "rewards": episode.rewards,
        "ends": episode.terminated,
    }
    padded = {k: np.concatenate([v, np.zeros_like(v[:1])]) for k, v in rows.items()}
    return Film(experience.Mapped(episode.path, "frame"), **padded)


def encode(model, memory, films, folder, progress=lambda films: films):
    """Encodes films to latents, each in a file; existing files are kept.

    Args:
        model: a model of vqzoo.models.
        memory: `Memory`, which knows the order of tiers.
        films: dict of sequences of `Film` by split.
        folder: `pathlib.Path`.
        progress: function that wraps the films, such as tqdm.

    Returns:
        dict of lists of `Film` with latents, which are read from their files on demand.
    """
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    encoded = inference.compiled(model.encode)

    def latents_of(frames):
        return memory.flat(encoded(images.to_images(frames)))

    for name, film in progress(_named(films)):
        path = folder / f"{name}.npy"
        if not path.exists():
            latents = inference.in_batches(latents_of, film.frames, batch_size=BATCH)
            with files.replacing(path) as aside, open(aside, "wb") as file:
                np.save(file, latents)
    opened = {split: [] for split in films}
    for name, film in _named(films):
        latents = experience.Mapped(folder / f"{name}.npy")
        opened[name.partition("_")[0]].append(dataclasses.replace(film, frames=latents))
    return opened


def _named(films):
    return [
        (f"{split}_{number:06d}", film)
        for split, some in films.items()
        for number, film in enumerate(some)
    ]


class Windows:
    """All windows of films, with `size` frames each.

    Args:
        films: sequence of `Film` with latents.
        size: int, frames per window; a shorter film is one window.
        stride: int, frames from one window of a film to the next.
    """

    def __init__(self, films, size, stride=1):
        self.films, self.size, self.stride = films, size, stride
        counts = [max(0, len(film) - size) // stride + 1 for film in films]
        self.ends = np.cumsum(counts)

    def __len__(self):
        return int(self.ends[-1])

    def arrays(self, indices):
        """Windows as arguments of `Memory.training_pair`: a dict with `mask`."""
        rows = [self._window(index) for index in indices]
        names = [name for name in rows[0] if rows[0][name] is not None]
        return {name: np.stack([row[name] for row in rows]) for name in names}

    def _window(self, index):
        place = int(np.searchsorted(self.ends, index, side="right"))
        film = self.films[place]
        first = (index - (self.ends[place - 1] if place else 0)) * self.stride
        taken = slice(first, first + self.size)
        count = len(film.frames[taken])
        window = {"mask": np.arange(self.size) < count}
        parts = {"latents": film.frames, "actions": film.actions}
        parts |= {"rewards": film.rewards, "ends": film.ends}
        for name, values in parts.items():
            if values is not None:
                values = np.asarray(values[taken])
                more = [(0, self.size - count)] + [(0, 0)] * (values.ndim - 1)
                window[name] = np.pad(values, more)
        return window

    def endless(self, make, batch_size, seed, step):
        """Random batches, beginning at a step of a run: a `tf.data.Dataset`.

        Args:
            make: function from `arrays` to the arrays of a training step.
            batch_size: int.
            seed: int; equal seeds and steps give equal batches.
            step: int.
        """

        def batch(number):
            generator = np.random.default_rng((seed, number))
            return make(self.arrays(generator.integers(len(self), size=batch_size)))

        def batches():
            number = step
            while True:
                yield batch(number)
                number += 1

        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype), batch(step)
        )
        data = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return data.prefetch(2)

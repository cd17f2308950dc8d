"""An imagined game: an autoencoder, a memory of its latents, and actions."""

import contextlib
import json
import pathlib

import keras
import numpy as np

from vqzoo import images
from vqzoo.runs import files
from vqzoo.runs.folder import METRICS, MODEL, SETTINGS, Run
from vqzoo.world import WORLD
from vqzoo.world.actions import Actions

MEMORY = "memory.keras"
STARTS = "starts.npy"
# Frames that a dream begins with: several, so that it knows the motion.
CONTEXT = 4


class World:
    """A batch of dreams of one game.

    Args:
        model: a model of vqzoo.models, whose latents the memory predicts.
        memory: `Memory`.
        actions: `Actions`.
        starts: rows of `experience.row_type`, `(n, k)`: n sequences of k frames from
            which a dream may begin, with the actions between them.
        environment: str, name of the real game.
        options: dict, further arguments of its `PixelEnvironment`, or None.
        path: the folder that it was loaded from, or None.
    Raises: ValueError: if model, memory, actions and starts do not fit together.
    """

    # As in `Trained`, which it replaces when a folder holds a world.
    pipeline = None

    def __init__(
        self,
        model,
        memory,
        actions,
        starts,
        *,
        environment="",
        options=None,
        path=None,
    ):
        shape = tuple(model.image_shape)
        if starts["frame"].shape[2:] != shape:
            raise ValueError(
                f"expected frames of {shape}, as {model.name} takes them, received "
                f"starts of {starts['frame'].shape[2:]}"
            )
        if tiers_of(model) != memory.tiers:
            raise ValueError(
                f"expected tiers of {memory.tiers}, as {memory.name} takes them, "
                f"received {tiers_of(model)} of {model.name}"
            )
        known = (memory.num_actions, memory.action_dim)
        if known != (actions.count, actions.action_dim):
            raise ValueError(
                f"expected the actions of {memory.name}, {known[0]} discrete ones and "
                f"{known[1]} numbers, received {actions}"
            )
        self.model = model
        self.memory = memory
        self.actions = actions
        self.starts = starts
        self.environment = environment
        self.options = dict(options or {})
        self.path = None if path is None else pathlib.Path(path)
        self._encode = _compiled(self._latents)
        self._decode = _compiled(model.decode)
        self.state = None
        self._before = None

    def _latents(self, frames):
        return self.model.encode(images.to_images(frames))

    @property
    def frame_shape(self):
        """`(height, width, channels)`."""
        return tuple(self.model.image_shape)

    @property
    def file(self):
        """The model's `.keras` file."""
        return self.path / MODEL

    @property
    def run(self):
        """The run whose folder it was loaded from."""
        return Run(self.path)

    @property
    def settings(self):
        """The settings of its run; empty if there is none."""
        return _json(self.path, SETTINGS)

    @property
    def metrics(self):
        """Metrics of its run by section; empty if there is none."""
        return files.sections(_json(self.path, METRICS) or {"metrics": {}})

    def encode(self, frames):
        """Latents `(batch, frame_size)` of uint8 frames `(batch, height, width, C)`.

        Raises: ValueError: if their type or shape differs from the game's.
        """
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.shape[1:] != self.frame_shape:
            raise ValueError(
                f"expected uint8 frames of (batch, *{self.frame_shape}), "
                f"received {frames.dtype} of shape={frames.shape}"
            )
        return self.memory.flat(self._encode(frames))

    def decode(self, latents):
        """Uint8 frames of latents `(batch, frame_size)`."""
        return images.to_uint8(np.asarray(self._decode(self.memory.tiers_of(latents))))

    def reset(self, frames=None, actions=None, *, batch=1, seed=None):
        """Begins a batch of dreams.

        Args:
            frames: uint8 `(batch, height, width, C)`, or `(batch, k, height, width, C)`
                with the k - 1 actions between them. Defaults to random `starts`.
            actions: `(batch, k - 1, ...)`, or None.
            batch: int, number of dreams if there are no frames.
            seed: int, `np.random.Generator` or None, for all that is drawn.

        Returns:
            Uint8 `(batch, height, width, C)`: the last frames, as the model sees them.

        Raises:
            ValueError: if frames or actions do not fit.
        """
        self.generator = np.random.default_rng(seed)
        if frames is None:
            chosen = self.starts[self.generator.integers(len(self.starts), size=batch)]
            frames, actions = chosen["frame"], chosen["action"][:, :-1]
        frames = np.asarray(frames)
        if frames.ndim == 4:
            frames = frames[:, None]
        count = frames.shape[1]
        between = () if actions is None else np.shape(actions)[:2]
        if count > 1 and between != (len(frames), count - 1):
            raise ValueError(
                f"expected actions of ({len(frames)}, {count - 1}, ...) between "
                f"{count} frames, received {between}"
            )
        self.state = self.memory.start(len(frames))
        for place in range(count):
            taken = self.actions.check(actions[:, place - 1]) if place else None
            self._observe(self.encode(frames[:, place]), taken)
        return self.decode(self.state["latents"])

    def _observe(self, latents, actions):
        self._before = self.state, actions
        self.state = self.memory.observe(self.state, latents, actions)

    def step(self, actions, temperature=1.0):
        """Takes an action in each dream.

        Args:
            actions: `(batch,)` ints, or floats `(batch, action_dim)`.
            temperature: float above 0.

        Returns:
            `(frames, rewards, ends)`: uint8 `(batch, height, width, C)`, float32 and
            bool `(batch,)`. A dream may continue after its end.

        Raises:
            ValueError: before `reset`, or if an action is outside the space.
        """
        self._expect_begun()
        actions = self.actions.check(actions)
        self._before = self.state, actions
        latents, rewards, ends, self.state = self.memory.imagine(
            self.state, actions, temperature=temperature, seed=self.generator
        )
        return self.decode(latents), rewards, ends

    @property
    def latents(self):
        """Latents of the last frames: a tuple of tiers, as the model's `encode` gives.

        Raises: ValueError: before `reset`.
        """
        self._expect_begun()
        return self.memory.tiers_of(self.state["latents"])

    def change(self, latents):
        """Replaces the latents of the last frames; dreams continue from there.

        Args:
            latents: tuple of tiers, as `latents` gives.

        Returns:
            Uint8 `(batch, height, width, C)`, the decoded frames.

        Raises:
            ValueError: before `reset`, or if they do not fit.
        """
        self._expect_begun()
        state, actions = self._before
        flat = self.memory.flat(latents)
        self.state = self.memory.observe(state, flat, actions)
        return self.decode(flat)

    def _expect_begun(self):
        if self.state is None:
            raise ValueError("expected world.reset() before this call")

    def save(self, folder):
        """Writes a folder from which `vqzoo.load` loads the same world."""
        folder = pathlib.Path(folder)
        files.save_model(self.model, folder / MODEL)
        files.save_model(self.memory, folder / MEMORY)
        with files.replacing(folder / STARTS) as aside, open(aside, "wb") as file:
            np.save(file, self.starts)
        card = {
            "environment": self.environment,
            "options": self.options,
            "actions": self.actions.as_json(),
        }
        files.write_json(folder / WORLD, card)


def load(folder, model, load_keras):
    """The world of a folder.

    Args:
        folder: path.
        model: the loaded model of the folder.
        load_keras: function of a file, a kind of model and its required attributes.

    Raises: ValueError: if the files are damaged or do not fit together.
    """
    folder = pathlib.Path(folder)
    memory = load_keras(folder / MEMORY, "prior", ("tiers", "imagine", "observe"))
    try:
        card = json.loads((folder / WORLD).read_text(encoding="utf-8"))
        actions = Actions(**card["actions"])
        starts = np.load(folder / STARTS, allow_pickle=False)
        return World(
            model,
            memory,
            actions,
            starts,
            environment=str(card["environment"]),
            options=dict(card.get("options", {})),
            path=folder,
        )
    except (KeyError, TypeError, OSError, EOFError, IndexError, ValueError) as error:
        raise ValueError(f"{folder} is no complete world: {error!r}") from error


def tiers_of(model):
    """The argument `tiers` of a memory for the latents of a model.

    Args:
        model: a model of vqzoo.models for images of one size.

    Returns:
        Tuple of `(shape, number of codes)`, top first; the number is 0 for real-valued
        latents.
    """
    frame = np.zeros((1, *model.image_shape), "float32")
    shapes = [tuple(map(int, each.shape[1:])) for each in model.encode(frame)]
    counts = [layer.num_embeddings for layer in model.quantizers] or [0] * len(shapes)
    return tuple(zip(shapes, counts, strict=True))


def starts_of(episodes, count=64, context=CONTEXT, seed=0):
    """Rows from which dreams begin, `(count, context)`, spread over episodes.

    Args:
        episodes: sequence of `Episode`.
        count: int.
        context: int, frames in each.
        seed: int.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        episode = episodes[number % len(episodes)]
        length = min(context, len(episode))
        first = int(generator.integers(len(episode) - length + 1))
        taken = episode.rows[first : first + length]
        # A shorter episode repeats its first frame.
        rows.append(np.concatenate([taken[:1]] * (context - length) + [taken]))
    return np.stack(rows)


class Compiled(keras.Model):
    """A function as a model, so that Keras compiles it on every backend."""

    def __init__(self, function):
        super().__init__(name="compiled", dtype="float32", autocast=False)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def _compiled(function):
    return Compiled(function).predict_on_batch


def _json(path, name):
    with contextlib.suppress(files.RunError, TypeError):
        return files.read_json(path / name)
    return {}

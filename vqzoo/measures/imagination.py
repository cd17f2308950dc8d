"""How well a world model predicts a game, and whether its dreams stay plausible."""

import functools

import numpy as np

from vqzoo import plots, registry
from vqzoo.datasets.experience import Experience
from vqzoo.images import to_images
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches
from vqzoo.world.dream import CONTEXT

ORDER = 7.5
TITLE = "Imagination"
TEXT = (
    "Dreams begin with a few frames of held-out episodes and get their actions. Nats "
    "per frame: the negative log likelihood of the latents of the next frames, each "
    "given the true frames before it; for real-valued latents it is that of a density: "
    "compare it only for the same latents. PSNR: dreamed frames against the true ones, "
    "beside the reconstruction and beside the last known frame, which needs no model. "
    "A dream stays decodable while the model reconstructs its frames as well as 99 % "
    "of real frames, and its objects persist while as many pixels differ from the "
    "background as in 98 % of real frames."
)
HORIZONS = (1, 5, 15, 50)
DIFFERENT = 0.1  # difference of a pixel from the background, of the range of values


def windows(experience, count, length, split="test", seed=0):
    """Rows of held-out episodes, `(count, length)`, spread over them.

    Raises: Skipped: if no episode is that long.
    """
    episodes = [each for each in experience.episodes(split) if len(each) + 1 >= length]
    if not episodes:
        raise Skipped(f"no {split} episode has {length} frames")
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        episode = episodes[number % len(episodes)]
        first = int(generator.integers(len(episode.rows) - length + 1))
        rows.append(np.array(episode.rows[first : first + length]))
    return np.stack(rows)


def psnr(images, others):
    """Peak signal-to-noise ratio of images in [-0.5, 0.5], dB `(N,)`; at most 60."""
    errors = np.square(images - others).mean(axis=(1, 2, 3))
    return -10 * np.log10(np.maximum(errors, 1e-6))


class Dreamed:
    """Dreams beside the true frames.

    Args:
        world: `World`.
        rows: as from `windows`, `(N, known + horizon)`.
        known: int, frames that a dream begins with. Defaults to `CONTEXT`.
        temperature: float.
        seed: int.
    """

    def __init__(self, world, rows, known=None, temperature=1.0, seed=0):
        known = CONTEXT if known is None else known
        self.world, self.rows, self.known = world, rows, known
        self._stayed = {}  # results of `_stays` by step
        count, length = rows.shape
        flat = rows["frame"].reshape(-1, *world.frame_shape)
        latents = in_batches(world.encode, flat)
        self.latents = latents.reshape(count, length, -1)
        self.film = world.memory.dream(
            self.latents[:, :known],
            world.actions.check(rows["action"]),
            num_frames=length,
            temperature=temperature,
            seed=seed,
        )

    def nats(self, horizon):
        """Mean nats per frame, up to a horizon."""
        log_p = self._log_p[:, self.known : self.known + horizon]
        return float(-log_p.mean())

    @functools.cached_property
    def _log_p(self):
        return self.world.memory.log_prob(self.latents, self.rows["action"])

    def frames(self, horizon, latents=None):
        """Dreamed frames at a horizon: float32 `(N, H, W, C)`."""
        film = self.film["latents"] if latents is None else latents
        shown = self.world.decode(film[:, self.known + horizon - 1])
        return to_images(shown)

    def truth(self, horizon):
        """True frames at a horizon: float32 `(N, H, W, C)`."""
        return to_images(self.rows["frame"][:, self.known + horizon - 1])

    def figures(self, horizon):
        """`nats`, `psnr`, `reconstruction_psnr` and `copy_psnr` at a horizon."""
        truth = self.truth(horizon)
        shown = {
            "psnr": self.frames(horizon),
            "reconstruction_psnr": self.frames(horizon, self.latents),
            "copy_psnr": self.truth(0),
        }
        return {
            "nats": self.nats(horizon),
            **{name: float(psnr(truth, each).mean()) for name, each in shown.items()},
        }

    def drift(self, horizon):
        """Shares of dreams that stay decodable, and whose objects persist, so far."""
        # Not each step: a dream that left the game seldom returns for one frame.
        steps = sorted({*range(5, horizon, 5), horizon})
        decodable, objects = np.all([self._stays(step) for step in steps], axis=0)
        return {
            "decodable": float(decodable.mean()),
            "objects": float(objects.mean()),
        }

    def _stays(self, step):
        """Whether dreams are decodable at a step, and have objects: bool `(2, N)`."""
        if step not in self._stayed:
            background, least, (few, many) = self._real
            frames = self.world.decode(self.film["latents"][:, self.known + step - 1])
            found = _objects(to_images(frames), background)
            objects = (found >= few) & (found <= many)
            self._stayed[step] = self._round_trip(frames) >= least, objects
        return self._stayed[step]

    @functools.cached_property
    def _real(self):
        """Background, least PSNR and bounds of the objects of real frames."""
        real = self.rows["frame"].reshape(-1, *self.world.frame_shape)
        if len(real) > 512:
            real = real[:: len(real) // 512]
        background = np.median(to_images(real), axis=0)
        least = np.quantile(self._round_trip(real), 0.01)
        bounds = np.quantile(_objects(to_images(real), background), (0.01, 0.99))
        return background, least, bounds

    def _round_trip(self, frames):
        back = in_batches(
            lambda some: self.world.decode(self.world.encode(some)), frames
        )
        return psnr(to_images(frames), to_images(back))


def _objects(images, background):
    """The share of pixels that differ from the background, `(N,)`."""
    return (np.abs(images - background).max(axis=-1) > DIFFERENT).mean(axis=(1, 2))


def imagine(world, experience, *, count=32, horizons=HORIZONS, temperature=1.0, seed=0):
    """Dreams of held-out episodes: `Dreamed`.

    Raises: Skipped: if the episodes are too short for the last horizon.
    """
    rows = windows(experience, count, CONTEXT + max(horizons), seed=seed)
    return Dreamed(world, rows, temperature=temperature, seed=seed)


@registry.named("imagination")
def measure(subject, section):
    """Nats, PSNR and drift of the dreams of a world."""
    world, experience = subject.options.get("world"), subject.data.table
    if world is None:
        raise Skipped("there is no memory: give the folder of a world model")
    if not isinstance(experience, Experience):
        raise Skipped("the data are no episodes of a game: --dataset=episodes")
    count = 8 if subject.options.get("quick") else 32
    longest = max(map(len, experience.episodes("test"))) + 1 - CONTEXT
    horizons = [each for each in HORIZONS if each <= longest] or [1]
    dreamed = imagine(world, experience, count=count, horizons=horizons)
    rows = []
    for horizon in horizons:
        figures = {**dreamed.figures(horizon), **dreamed.drift(horizon)}
        section.add({f"{name}_{horizon}": value for name, value in figures.items()})
        rows.append((str(horizon), *figures.values()))
    header = ("frames ahead", "nats per frame", "PSNR, dB", "of the reconstruction")
    header = (*header, "of the last known frame", "decodable", "objects persist")
    note = f"{count} dreams of {world.environment}, {CONTEXT} frames known."
    section.table("Dreams of held-out episodes", header, rows, note)
    text = "The true frames of one episode and, below each, the dreamed one."
    section.picture("A dream beside the game", text, lambda: _strips(dreamed, horizons))


def _strips(dreamed, horizons):
    """One dream and its episode at the horizons: a figure."""
    rows = {"game": dreamed.truth, "dream": dreamed.frames}
    shown = {
        name: np.stack([frames(horizon)[0] for horizon in horizons])
        for name, frames in rows.items()
    }
    labels = [f"+{horizon}" for horizon in horizons]
    return plots.strips(shown, column_labels=labels)

"""Training of priors of films: memories without actions."""

import dataclasses

import numpy as np

from vqzoo.registry import lazily
from vqzoo.training.kinds.memory import FramesRecipe
from vqzoo.training.settings import setting

films = lazily("vqzoo.runs.films")
fitting = lazily("vqzoo.training.fitting")
images = lazily("vqzoo.images")
imagination = lazily("vqzoo.measures.imagination")
inference = lazily("vqzoo.measures.inference")
moving_sprites = lazily("vqzoo.datasets.moving_sprites")
pixels = lazily("vqzoo.datasets.pixels")
plots = lazily("vqzoo.plots")
read = lazily("vqzoo.datasets.films")
sets = lazily("vqzoo.measures.sets")
windows = lazily("vqzoo.training.windows")

HORIZONS = (1, 5, 15, 50)
MAX_FILMS = 64  # measured at most
SHOWN = 4
SMOKE_SHARE = 0.005
POOLED = 4  # parts of each side, whose means are the features of FD


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoRecipe(FramesRecipe):
    """The films.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    dataset: str = setting(
        "moving_sprites",
        "moving_sprites (rendered), or films: GIF and MP4 files in --data_dir",
        choices=("moving_sprites", "films"),
    )
    data_dir: str = setting("", "folder of films")
    known_frames: int = setting(5, "known frames at the start", at_least=1)
    temperature: float = setting(1.0, "temperature of the drawn frames")

    def __post_init__(self):
        super().__post_init__()
        users = self.dataset == "films"
        self.expect_unused("data_dir", users, "dataset", "films")
        self.expect("data_dir", self.data_dir or not users, "a folder of films")
        self.expect("temperature", self.temperature > 0, "above 0")

    def smoke_numbers(self):
        """Settings that a smoke run changes: a dict."""
        return {**super().smoke_numbers(), "known_frames": min(self.known_frames, 2)}

    def load_films(self):
        # The model decides the size of the frames.
        side, _, channels = self.load_eye().image_shape
        if self.dataset == "films":
            found = read.read_folder(self.data_dir, side)
        else:
            found = moving_sprites.films_of(side, SMOKE_SHARE if self.smoke else 1.0)
        by_split = {
            split: [windows.Film(pixels.to_channels(each, channels)) for each in some]
            for split, some in found.by_split().items()
        }
        counts = ", ".join(f"{name} {len(some)}" for name, some in by_split.items())
        fitting.say(f"Films: {found.source}, {side} x {side}; {counts}")
        return by_split, found.fingerprint, None

    def report(self, run, model, memory, films_by_split, latents, context):
        """Continues test films, measures the drawn frames and writes a film."""
        longest = max(map(len, films_by_split["test"]))
        self.expect(
            "known_frames",
            self.known_frames < longest,
            f"less than the {longest} frames of the longest test film",
        )
        horizons = [h for h in HORIZONS if self.known_frames + h <= longest]
        length = self.known_frames + max(horizons)
        enough = [n for n, film in enumerate(latents["test"]) if len(film) >= length]
        chosen = enough[:MAX_FILMS]
        known = np.stack([latents["test"][n].frames[:length] for n in chosen])
        truth = [films_by_split["test"][n].frames[:length] for n in chosen]
        truth = images.to_images(np.stack(truth))
        drawn = memory.dream(
            known[:, : self.known_frames],
            num_frames=length,
            temperature=self.temperature,
            seed=self.seed,
        )["latents"]
        decode = inference.compiled(model.decode)
        shown = np.stack(
            [
                inference.in_batches(decode, memory.tiers_of(frames))
                for frames in np.moveaxis(drawn, 1, 0)
            ],
            axis=1,
        )
        log_p = memory.log_prob(known)
        found = {}
        for horizon in horizons:
            place = self.known_frames + horizon - 1
            found |= {
                f"{name}_{horizon}": value
                for name, value in _figures(
                    truth, shown, -log_p[:, place], place, self.known_frames
                ).items()
            }
        run.save_model(model, "model")
        run.save_model(memory, "memory")
        films.save(_side_by_side(truth[:SHOWN], shown[:SHOWN]), run.path / "film")
        labels = [f"+{horizon}" for horizon in horizons]
        places = [self.known_frames + horizon - 1 for horizon in horizons]
        rows = {"film": truth[0, places], "drawn": shown[0, places]}
        strips = plots.strips(rows, column_labels=labels)
        run.finish({"test": found}, pictures={"frames": strips})
        lines = (f"  {name:<18}{value:.4f}" for name, value in found.items())
        fitting.say("\n".join((f"\nDone: {self.name}, in {run.path}", *lines)))


def _figures(truth, shown, nats, place, known):
    """Nats, PSNR and Frechet distance of the frames at one index of films."""
    here = truth[:, place]
    copied = imagination.psnr(here, truth[:, known - 1])
    found = {
        "nats": float(nats.mean()),
        "psnr": float(imagination.psnr(here, shown[:, place]).mean()),
        "copy_psnr": float(copied.mean()),
    }
    if len(here) > 1:  # One film has no covariance.
        pooled = map(_pooled, (here, shown[:, place]))
        found["fd_pixels"] = sets.frechet_distance(*pooled)
    return found


def _pooled(frames):
    """Means of POOLED x POOLED equal parts of frames `(N, H, W, C)` as vectors."""
    count, height, width, channels = frames.shape
    frames = frames[:, : height - height % POOLED, : width - width % POOLED]
    shape = (count, POOLED, height // POOLED, POOLED, width // POOLED, channels)
    return frames.reshape(shape).mean(axis=(2, 4)).reshape(count, -1)


def _side_by_side(truth, shown):
    """Films in rows, the true one left of the drawn one: uint8 `(frames, H, W, C)`."""
    both = images.to_uint8(np.concatenate([truth, shown], axis=3))
    return np.concatenate(list(both), axis=1)

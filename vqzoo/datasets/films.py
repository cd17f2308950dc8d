"""Films: GIF and MP4 files of a folder, and their frames as images."""

import dataclasses
import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from vqzoo.datasets import reading
from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import color, fit, to_channels, to_float
from vqzoo.datasets.splits import Split, Splits

ANIMATIONS = (".gif", ".webp", ".apng")
VIDEOS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
SIDE = 64
HELD_OUT = 0.1  # share of the films in each of the last two splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Films:
    """Films with frames of one size, by split.

    Args:
        train, validation, test: lists of uint8 `(frames, height, width, 3)`; numbers of
            frames may differ.
        name: str, of the data set.
        fingerprint: str, of what was read or rendered.
        source: str, where they come from.
    """

    train: list[np.ndarray]
    validation: list[np.ndarray]
    test: list[np.ndarray]
    name: str
    fingerprint: str
    source: str

    def by_split(self) -> dict[str, list[np.ndarray]]:
        """The lists by the names of the splits."""
        return {name: getattr(self, name) for name in ("train", "validation", "test")}

    def frames(self, channels: int | None = None) -> Splits:
        """All frames as images; a film's frames are in one split.

        Args:
            channels: 1 or 3. Defaults to 3.
        """
        splits = {
            name: _split(np.concatenate(films), channels or 3)
            for name, films in self.by_split().items()
        }
        sizes = {name: split.size for name, split in splits.items()}
        shape = (*self.train[0].shape[1:3], channels or 3)
        return Splits(
            **splits,
            name=self.name,
            image_shape=shape,
            class_names=(),
            fingerprint=f"{self.fingerprint} {shape}",
            summary={
                "source": self.source,
                "files": sum(map(len, self.by_split().values())),
                "images": sum(sizes.values()),
                "splits": sizes,
                "shape": list(shape),
            },
        )


def _split(frames: np.ndarray, channels: int) -> Split:
    frames = to_channels(frames, channels)

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        chosen = tf.numpy_function(
            lambda rows: frames[rows], [indices], tf.uint8, stateful=False
        )
        chosen = tf.ensure_shape(chosen, [indices.shape[0], *frames.shape[1:]])
        return {"image": to_float(chosen)}

    return Split(size=len(frames), load=load)


def load_films(
    data_dir: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    channels: int | None = None,
) -> Splits:
    """Load the frames of the films of a folder: `read_folder(...).frames(channels)`."""
    return read_folder(data_dir, image_size or SIDE).frames(channels)


def read_folder(data_dir: str | os.PathLike[str], side: int = SIDE) -> Films:
    """Read all films of a folder and its subfolders.

    The hash of its content decides the split of a film: equal films are in one split.

    Args:
        data_dir: the folder.
        side: int, of the square frames: films of other sizes are resized and cropped.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it has fewer than 3 different films, or one cannot be decoded.
    """
    folder = pathlib.Path(data_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of films, received {folder}")
    known = (*ANIMATIONS, *VIDEOS)
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in known]
    digests = {path: _digest(path) for path in sorted(paths) if path.is_file()}
    different = sorted(set(digests.values()))
    if len(different) < 3:
        raise ValueError(
            f"expected at least 3 different films ({', '.join(known)}) in {folder}, "
            f"received {len(different)}"
        )
    count = max(1, round(HELD_OUT * len(different)))
    held_out = {"test": different[:count], "validation": different[count : 2 * count]}
    films = {"train": [], **{name: [] for name in held_out}}
    for path, digest in digests.items():
        split = next((n for n, those in held_out.items() if digest in those), "train")
        films[split].append(read(path, side))
    summed = hashlib.sha256(" ".join(digests.values()).encode()).hexdigest()
    return Films(
        **films, name="films", fingerprint=f"{summed} {side}", source=str(folder)
    )


def read(path: pathlib.Path, side: int = SIDE) -> np.ndarray:
    """The frames of a film: uint8 `(frames, side, side, 3)`.

    Raises:
        ValueError: if it cannot be decoded, a package is missing, it has fewer than 2
            frames, or it exceeds `bounds.BOUNDS`.
    """
    animated = path.suffix.lower() in ANIMATIONS
    frames, size = [], 0
    try:
        for pixels in _animation(path) if animated else _video(path):
            size += side * side * 3
            BOUNDS.check_file(size, f"the frames of {path}")
            frames.append(fit(color(pixels), side, resize="upscale"))
    except UnreadableImageError as error:
        raise ValueError(
            f"expected a film that can be decoded, received {path}, which {error}"
        ) from error
    if len(frames) < 2:
        raise ValueError(
            f"expected a film of at least 2 frames, received {path} of {len(frames)}"
        )
    return np.stack(frames)


def _animation(path: pathlib.Path) -> Iterator[np.ndarray]:
    BOUNDS.check_file(path.stat().st_size, str(path))
    for picture in reading.read(path.read_bytes(), "all"):
        yield picture.levels()


def _video(path: pathlib.Path) -> Iterator[np.ndarray]:
    if not importlib.util.find_spec("imageio_ffmpeg"):
        raise ValueError(
            f"decoding {path} needs imageio-ffmpeg, which is not installed: pip "
            "install imageio-ffmpeg, or convert the films to GIF"
        )
    import imageio.v2

    try:
        with imageio.v2.get_reader(path, format="ffmpeg") as film:
            yield from (np.asarray(frame) for frame in film)
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise UnreadableImageError(f"ffmpeg does not decode: {error}") from error


def _digest(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

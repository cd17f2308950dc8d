"""Frames of the episodes of a game as images."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.experience import SPLITS, Episode, Experience
from vqzoo.datasets.pixels import to_float
from vqzoo.datasets.splits import Split, Splits


def load_episodes(
    data_dir: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    channels: int | None = None,
) -> Splits:
    """Load the frames of a run of `world_experience`, or of another `Experience`.

    They are mapped from their files, so they need not fit into memory. All frames of
    an episode are in one split.

    Args:
        data_dir: the folder.
        image_size: int, which must be that of the frames.
        channels: int, which must be that of the frames.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the frames have another size, or there are too few episodes.
    """
    experience = Experience(data_dir)
    shape = experience.frame_shape
    wanted = (image_size or shape[0], image_size or shape[1], channels or shape[2])
    if wanted != shape:
        raise ValueError(
            f"expected frames of {wanted}, received episodes of {shape} in {data_dir}: "
            "collect them with another --frame_size, or take a model of their size"
        )
    chosen = {split: experience.episodes(split) for split in SPLITS}
    splits = {split: _split(episodes, shape) for split, episodes in chosen.items()}
    sizes = {split: each.size for split, each in splits.items()}
    return Splits(
        **splits,
        name="episodes",
        image_shape=shape,
        class_names=(),
        fingerprint=experience.fingerprint,
        table=experience,
        summary={
            "source": str(data_dir),
            "files": len(experience.all),
            "images": sum(sizes.values()),
            "splits": sizes,
            "shape": list(shape),
            "environment": experience.card.get("environment", ""),
        },
    )


def _split(episodes: Sequence[Episode], shape: tuple[int, ...]) -> Split:
    ends = np.cumsum([len(episode.frames) for episode in episodes])
    starts = np.concatenate([[0], ends[:-1]])

    def read(indices: np.ndarray) -> np.ndarray:
        places = np.searchsorted(ends, indices, side="right")
        frames = np.empty((len(indices), *shape), np.uint8)
        for row, (place, index) in enumerate(zip(places, indices)):
            frames[row] = episodes[place].frames[index - starts[place]]
        return frames

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        frames = tf.numpy_function(read, [indices], tf.uint8, stateful=False)
        frames = tf.ensure_shape(frames, [indices.shape[0], *shape])
        return {"image": to_float(frames)}

    return Split(size=int(ends[-1]), load=load)

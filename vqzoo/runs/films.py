"""Writes frames as films: a GIF, and an MP4 if its package is installed."""

import importlib.util

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs import files

pillow = lazily("PIL.Image")
imageio = lazily("imageio.v2")


def save(frames, path, *, rate=15, scale=1):
    """Writes `path.gif`, and `path.mp4` if imageio-ffmpeg is installed, atomically.

    Args:
        frames: uint8 `(frames, height, width, 1 or 3)`, at least one frame.
        path: `pathlib.Path` without a suffix.
        rate: float, frames per second.
        scale: int, the film's pixels per pixel of a frame, on each side.

    Returns:
        list of the paths that were written.

    Raises:
        ValueError: if type or shape of the frames differ from these.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or not len(frames):
        raise ValueError(
            "expected uint8 frames of (frames, height, width, channels), received "
            f"{frames.dtype} of shape={frames.shape}"
        )
    frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    frames = np.broadcast_to(frames, (*frames.shape[:3], 3))
    first, *others = map(pillow.fromarray, np.ascontiguousarray(frames))
    written = [path.with_name(f"{path.name}.gif")]
    with files.replacing(written[0]) as aside:
        options = {"save_all": True, "append_images": others, "loop": 0}
        first.save(aside, duration=round(1000 / rate), **options)
    if importlib.util.find_spec("imageio_ffmpeg"):
        written.append(path.with_name(f"{path.name}.mp4"))
        with files.replacing(written[1]) as aside:
            # MP4 needs even sides.
            sides = [side - side % 2 for side in frames.shape[1:3]]
            shown = frames[:, : sides[0], : sides[1]]
            imageio.mimwrite(aside, shown, fps=rate, macro_block_size=1)
    return written

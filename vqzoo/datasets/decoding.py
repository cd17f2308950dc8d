"""Decoding of many image files at once into one array."""

import concurrent.futures
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from vqzoo.datasets.holdout import content_digest
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import SmallImageError, decode, fit, to_channels
from vqzoo.datasets.store import allocate

_UNREADABLE_LIMIT = 0.01
_SMALL_LIMIT = 0.5
_CHUNK = 64  # files that a thread decodes at a time


def decode_files(
    items: Iterable[tuple[str, Any]],
    names: Sequence[str],
    *,
    decode: Callable[[Any], tuple[np.ndarray, bool]] = decode,
    image_size: int | None = None,
    channels: int | None = None,
    pad: bool = False,
    cache_dir: str | None = None,
) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Decode many images in threads, and bring them to one size.

    Unreadable ones are left out, with a warning, and so are those that are too small.

    Args:
        items: pairs of name and content, in any order. A content of None is unreadable.
            Names without a pair are left out too.
        names: str. All names, in the order of the result.
        decode: function of a content to uint8 `(height, width, 3)` and whether the
            image is gray. Defaults to that for the bytes of an image file.
        image_size: int, or None for images which all have one size.
        channels: 1 or 3, or None for 1 if all are gray and else 3.
        pad: bool. Lay gray images which are up to a quarter smaller on black.
        cache_dir: folder for decoded images that exceed the memory limit.

    Returns: uint8 images `(num_images, height, width, channels)`, the place of each in
        `names`, and a digest of the content of each.
    Raises: ValueError: if more than 1 % of the images are unreadable or more than half
        are too small, there are none, or sizes differ although no size is given.
    """
    job = _Job(names, decode, image_size, pad, cache_dir)
    job.run(items)
    rows = np.flatnonzero(job.is_read)
    images = job.images
    if len(rows) < len(names):
        for new, old in enumerate(rows):
            images[new] = images[old]
        images = images[: len(rows)]
    if (channels or (1 if job.is_gray[rows].all() else 3)) == 1:
        images = _gray(images, cache_dir)
    return images, rows, [job.digests[row] for row in rows]


class _Job:
    def __init__(self, names, decode, image_size, pad, cache_dir):
        self._rows = {name: row for row, name in enumerate(names)}
        self._decode = decode
        self._size = image_size
        self._pad = pad
        self._cache_dir = cache_dir
        self._small = []
        self._unreadable = []
        self.images = None
        self.is_read = np.zeros(len(names), bool)
        self.is_gray = np.zeros(len(names), bool)
        self.digests = [b""] * len(names)

    def run(self, items):
        from tqdm import tqdm

        items, seen = iter(items), 0
        threads = os.cpu_count() or 1
        total = len(self._rows)
        bar = tqdm(
            total=total, desc="decoding", unit=" images", delay=3, mininterval=0.5
        )
        with bar, concurrent.futures.ThreadPoolExecutor(threads) as pool:
            pending = set()
            while chunk := list(itertools.islice(items, _CHUNK)):
                if self.images is None:
                    self._allocate(chunk)
                seen += len(chunk)
                pending.add(pool.submit(self._run_chunk, chunk))
                if len(pending) > 2 * threads:
                    pending = self._collect(pending, bar, all_of_them=False)
            self._collect(pending, bar, all_of_them=True)
        self._check(seen)

    def _collect(self, pending, bar, *, all_of_them):
        when = "ALL_COMPLETED" if all_of_them else "FIRST_COMPLETED"
        done, pending = concurrent.futures.wait(pending, return_when=when)
        for future in done:
            bar.update(future.result())
        return pending

    def _allocate(self, chunk):
        shape = (self._size, self._size, 3)
        if self._size is None:
            shape = self._first_shape(chunk)
        self.images = allocate((len(self._rows), *shape), self._cache_dir)

    def _first_shape(self, chunk):
        for _, content in chunk:
            try:
                return self._read(content)[0].shape
            except UnreadableImageError:
                continue
        raise ValueError(
            f"expected readable images, found none among {chunk[0][0]} and the "
            f"{len(chunk) - 1} files after it"
        )

    def _read(self, content):
        if content is None:
            raise UnreadableImageError("cannot be read")
        return self._decode(content)

    def _run_chunk(self, chunk):
        for name, content in chunk:
            try:
                self._run_one(name, content)
            except UnreadableImageError as error:
                self._unreadable.append((name, error))
            except SmallImageError as error:
                self._small.append((name, error))
        return len(chunk)

    def _run_one(self, name, content):
        row = self._rows[name]
        pixels, gray = self._read(content)
        if self._size is not None:
            pixels = fit(pixels, self._size, pad=self._pad and gray)
        elif pixels.shape != self.images.shape[1:]:
            height, width = self.images.shape[1:3]
            raise ValueError(
                "expected --image_size, as the images have different sizes: found "
                f"{width} x {height} and {pixels.shape[1]} x {pixels.shape[0]} ({name})"
            )
        self.images[row] = pixels
        self.digests[row] = content_digest(pixels)
        self.is_gray[row] = gray
        self.is_read[row] = True

    def _check(self, total):
        if total == 0:
            raise ValueError("expected images, found none")
        side = f"{self._size} x {self._size} pixels"
        _leave_out(
            sorted(self._small, key=lambda file: (min(file[1].size), file[0])),
            total,
            _SMALL_LIMIT,
            f"smaller than {side}, the smallest first",
            f"images smaller than {side} (choose a smaller --image_size)",
        )
        _leave_out(
            sorted(self._unreadable, key=lambda file: file[0]),
            total,
            _UNREADABLE_LIMIT,
            "unreadable",
            "unreadable files",
        )


def _leave_out(files, total, limit, what, kind):
    """Warns of files that are left out; ValueError if they are too many."""
    if not files:
        return
    listed = "; ".join(f"{name}: {error}" for name, error in files[:5])
    message = f"{len(files)} of {total} image files are {what}: {listed}"
    if len(files) > 5:
        message += f"; and {len(files) - 5} more"
    if len(files) > limit * total:
        raise ValueError(f"expected at most {limit:.0%} {kind}, {message}")
    warnings.warn(f"left out files: {message}", stacklevel=6)


def _gray(images, cache_dir):
    gray = allocate((*images.shape[:-1], 1), cache_dir)
    for start in range(0, len(images), 1024):
        stop = start + 1024
        gray[start:stop] = to_channels(images[start:stop], 1)
    return gray

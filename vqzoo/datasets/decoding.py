"""Decoding of many image files at once into one array."""

import concurrent.futures
import functools
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from vqzoo.datasets import ranges, reading
from vqzoo.datasets.holdout import content_digest
from vqzoo.datasets.images import NotFiniteError, Picture, UnreadableImageError
from vqzoo.datasets.pixels import (
    SMALLER_HELP,
    SmallImageError,
    color,
    fit,
    to_channels,
)
from vqzoo.datasets.store import allocate
from vqzoo.datasets.summary import Summary

_UNREADABLE_LIMIT = 0.01
_OTHER_LIMIT = 0.5  # of images that are too small, or not finite
_CHUNK = 64  # files that a thread decodes at a time


def decode_files(
    read: Callable[[Sequence[str]], Iterable[tuple[str, Any]]],
    names: Sequence[str],
    summary: Summary,
    *,
    decode: Callable[[Any, str], list[Picture]] = reading.read,
    frames: str = "",
    value_range: tuple[float, float] | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    resize: str = "crop",
    border: bool = False,
    cache_dir: str | None = None,
) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Decode many images in threads, and bring them to one depth and one size.

    Unreadable ones are left out, with a warning, and so are those that are too small or
    hold NaN. Deep values, of more than 8 bits or floats, are scaled alike in all
    images: by the range of all of them, so that they are read a second time.

    Args:
        read: function of names to pairs of name and content, in any order. A content of
            None is unreadable. Names without a pair are left out too.
        names: str. All names, in the order of the result.
        summary: gets what was left out, what was done, sizes and ranges.
        decode: function of a content and `frames` to its pictures. Defaults to that
            for the bytes of an image file.
        frames: as in `reading.read`.
        value_range: the values that become 0 and 255, of all images.
        image_size: int, or None for images which all have one size.
        channels: int, or None for 1 if all are gray and else 3, or the number of bands.
        resize: as in `pixels.fit`.
        border: bool. Lay gray images which are up to a quarter smaller on black.
        cache_dir: folder for decoded images that exceed the memory limit.

    Returns: uint8 images `(num_images, height, width, channels)`, the place of each in
        `names`, and a digest for each of the content of its file.
    Raises: ValueError: if more than 1 % of the images are unreadable or more than half
        are too small or not finite, there are none, or sizes differ although no size is
        given.
    """
    fitted = functools.partial(fit, size=image_size, resize=resize)
    job = _Job(names, image_size, fitted, border, channels, cache_dir)
    job.decode = lambda content: decode(content, frames)
    if value_range is not None:
        job.value_ranges = dict.fromkeys(_KINDS, value_range)
    if frames == "all":
        # So many rows as there are images have to be there first.
        job.count(read(names))
    job.run(read(names), job.store)
    if job.deep:
        job.choose_ranges()
        job.run(read(list(job.deep)), job.store)
    job.check(summary)
    rows = np.flatnonzero(job.is_read)
    images, gray = job.images, job.is_gray[rows].all()
    if len(rows) < len(job.is_read):
        for new, old in enumerate(rows):
            images[new] = images[old]
        images = images[: len(rows)]
    bands = images.shape[-1]
    wanted = channels or (1 if bands == 3 and gray else bands)
    if wanted != bands:
        images = _converted(images, wanted, cache_dir)
    return images, job.places[rows], [job.digests[row] for row in rows]


_KINDS = ("uint8", "int", "float")


class _Job:
    def __init__(self, names, size, fitted, border, channels, cache_dir):
        self._names = list(names)
        self._set_counts([1] * len(self._names))
        self._size, self._fitted, self._border = size, fitted, border
        self._channels, self._cache_dir = channels, cache_dir
        self._small, self._unreadable, self._not_finite = [], [], []
        self._seen, self._sizes, self._notes = set(), [], []
        self._kinds = set()
        self.images = None
        self.decode = self.value_ranges = None
        self.deep = {}  # names of files to the extents of their values

    def _set_counts(self, counts):
        firsts = np.cumsum([0, *counts])
        self._rows = dict(zip(self._names, firsts.tolist()))
        self.places = np.repeat(np.arange(len(counts)), counts)
        self.is_read = np.zeros(firsts[-1], bool)
        self.is_gray = np.zeros(firsts[-1], bool)
        self.digests = [b""] * int(firsts[-1])

    def count(self, items):
        """Makes place for all frames of each file."""
        counts = dict.fromkeys(self._names, 1)
        self.run(items, lambda name, pictures: counts.update({name: len(pictures)}))
        self._set_counts(list(counts.values()))
        # What cannot be read is told when it is read again.
        self._unreadable, self._not_finite, self.images = [], [], None

    def choose_ranges(self):
        """The one scale of each kind of deep values."""
        extents = itertools.chain.from_iterable(self.deep.values())
        self.value_ranges = ranges.of_kinds(extents)

    def run(self, items, work):
        """Decodes files in threads, and does `work` with each name and its pictures."""
        from tqdm import tqdm

        items = iter(items)
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
                self._seen.update(name for name, _ in chunk)
                pending.add(pool.submit(self._run_chunk, chunk, work))
                if len(pending) > 2 * threads:
                    pending = self._collect(pending, bar, all_of_them=False)
            self._collect(pending, bar, all_of_them=True)

    def _collect(self, pending, bar, *, all_of_them):
        when = "ALL_COMPLETED" if all_of_them else "FIRST_COMPLETED"
        done, pending = concurrent.futures.wait(pending, return_when=when)
        for future in done:
            bar.update(future.result())
        return pending

    def _allocate(self, chunk):
        shape = self._first_shape(chunk)
        if self._size is not None:
            shape = (self._size, self._size, shape[-1])
        if self._channels:
            # Before room is made: an error if there is no way to so many channels.
            to_channels(np.zeros((0, *shape), np.uint8), self._channels)
        self.images = allocate((len(self.is_read), *shape), self._cache_dir)

    def _first_shape(self, chunk):
        reasons = []
        for name, content in chunk:
            try:
                height, width, bands = self._read(content)[0].values.shape
                return height, width, 3 if bands == 1 else bands
            except UnreadableImageError as error:
                reasons.append(f"{name}: {error}")
        raise ValueError(
            f"expected readable images, found none among {chunk[0][0]} and the "
            f"{len(chunk) - 1} files after it: {'; '.join(reasons[:3])}"
        )

    def _read(self, content):
        if content is None:
            raise UnreadableImageError("cannot be read, or is larger than --max_bytes")
        return self.decode(content)

    def _run_chunk(self, chunk, work):
        for name, content in chunk:
            try:
                work(name, self._read(content))
            except NotFiniteError as error:
                self._not_finite.append((name, error))
            except UnreadableImageError as error:
                self._unreadable.append((name, error))
            except SmallImageError as error:
                self._small.append((name, error))
        return len(chunk)

    def store(self, name, pictures):
        """Puts pictures into their rows, deep ones once the range is known."""
        if self.value_ranges is None and any(picture.is_deep for picture in pictures):
            self.deep[name] = [
                picture.extent for picture in pictures if picture.is_deep
            ]
            return
        first = self._rows[name]
        for row, picture in enumerate(pictures, first):
            self._store(row, picture, name)
            # The frames of a file are of one split.
            self.digests[row] = content_digest(self.images[first])

    def _store(self, row, picture, name):
        pixels = color(picture.levels((self.value_ranges or {}).get(picture.kind)))
        if pixels.shape[-1] != self.images.shape[-1]:
            raise ValueError(
                "expected images of the same number of bands, found "
                f"{self.images.shape[-1]} and {pixels.shape[-1]} ({name})"
            )
        size = pixels.shape[:2]
        if self._size is not None:
            pixels = self._fitted(pixels, border=self._border and picture.is_gray)
        elif pixels.shape != self.images.shape[1:]:
            height, width = self.images.shape[1:3]
            raise ValueError(
                "expected --image_size, as the images have different sizes: found "
                f"{width} x {height} and {pixels.shape[1]} x {pixels.shape[0]} ({name})"
            )
        self.images[row] = pixels
        self.is_gray[row] = picture.is_gray
        self.is_read[row] = True
        self._sizes.append(size)
        self._notes += picture.notes
        self._kinds.add(picture.kind)

    def check(self, summary):
        """Says what was left out and done; ValueError if too much was left out."""
        total = len(self._seen)
        if total == 0:
            raise ValueError("expected images, found none")
        side = f"{self._size} x {self._size} pixels"
        self._small.sort(key=lambda file: (min(file[1].size), file[0]))
        for files, limit, what, kind in (
            (
                self._small,
                _OTHER_LIMIT,
                f"smaller than {side}, the smallest first",
                f"images smaller than {side} ({SMALLER_HELP})",
            ),
            (self._not_finite, _OTHER_LIMIT, "not finite", "images of NaN or infinity"),
            (self._unreadable, _UNREADABLE_LIMIT, "unreadable", "unreadable files"),
        ):
            if files is not self._small:
                files.sort(key=lambda file: file[0])
            # One file is no reason to stop, however small the data are.
            most = limit * total if limit > _UNREADABLE_LIMIT else max(1, limit * total)
            _leave_out(files, total, most, f"at most {limit:.0%} {kind}", what)
            named = [f"{name}: {error}" for name, error in files]
            summary.leave_out(f"images {what.partition(',')[0]}", named)
        summary.done.update(self._notes)
        summary.facts["sizes"] = _extremes(self._sizes)
        summary.facts["values"] = {
            _kind_words(kind, value_range): list(value_range)
            for kind, value_range in (self.value_ranges or {}).items()
            if kind in self._kinds
        }


def _kind_words(kind, value_range):
    bits = np.log2(value_range[1] + 1) if value_range[1] >= 0 else 0.5
    if kind == "int" and value_range[0] == 0 and bits == int(bits):
        return f"{int(bits)} bits"
    return {"int": "ints", "float": "floats"}.get(kind, kind)


def _extremes(sizes):
    """The shortest and the longest sides, height and width; None without any."""
    if not sizes:
        return None
    least, most = np.min(sizes, axis=0), np.max(sizes, axis=0)
    return {"least": least.tolist(), "most": most.tolist()}


def _leave_out(files, total, most, expected, what):
    """Warns of files that are left out; ValueError if they are too many."""
    if not files:
        return
    listed = "; ".join(f"{name}: {error}" for name, error in files[:5])
    message = f"{len(files)} of {total} image files are {what}: {listed}"
    if len(files) > 5:
        message += f"; and {len(files) - 5} more"
    if len(files) > most:
        raise ValueError(f"expected {expected}, {message}")
    warnings.warn(f"left out files: {message}", stacklevel=5)


def _converted(images, channels, cache_dir):
    converted = allocate((*images.shape[:-1], channels), cache_dir)
    for start in range(0, len(images), 1024):
        stop = start + 1024
        converted[start:stop] = to_channels(images[start:stop], channels)
    return converted

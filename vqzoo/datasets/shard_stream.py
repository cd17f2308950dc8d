"""The images of a split in shards, read and decoded when a batch needs them."""

import atexit
import concurrent.futures
import dataclasses
import functools
import threading
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import (
    SMALLER_HELP,
    SmallImageError,
    color,
    fit,
    to_channels,
    to_float,
)
from vqzoo.datasets.reading import read
from vqzoo.datasets.shard_order import Order
from vqzoo.datasets.splits import Split

_BAD_SHARE = 0.01  # of images that cannot be read
_WINDOWS = 4  # in memory: the current, the next, and those of batches in flight
_ending = threading.Event()
_running = set()  # calls from tf.data's threads


@atexit.register
def _end():
    """Lets calls from tf.data end before Python exits, which would wait for them."""
    _ending.set()
    deadline = time.monotonic() + 30
    time.sleep(0.2 if _running else 0)
    while _running and time.monotonic() < deadline:
        time.sleep(0.1)


def _until_the_end(method):
    """Wraps a method that tf.data calls: it fails once Python exits."""

    @functools.wraps(method)
    def called(self, *args):
        if _ending.is_set():
            raise RuntimeError("the program ends")
        call = object()
        _running.add(call)
        try:
            return method(self, *args)
        finally:
            _running.discard(call)

    return called


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoder:
    """Decodes image files to uint8 pixels of one shape.

    Args:
        size: int, side of the images; None keeps their size.
        channels: int or None.
        resize: as in `pixels.fit`.
        value_range: the values that become 0 and 255; empty for images of 8 bits.
    """

    size: int | None
    channels: int | None
    resize: str
    value_range: tuple[float, ...]

    def pixels(self, content: bytes | None) -> tuple[np.ndarray, bool]:
        """Pixels, and whether the file is gray.

        Raises:
            UnreadableImageError: as in `reading.read`.
            SmallImageError: as in `pixels.fit`.
            ValueError: if values have more than 8 bits and no range is given.
        """
        if content is None or len(content) > BOUNDS.bytes:
            raise UnreadableImageError("is missing, or longer than --max_bytes")
        picture = read(content)[0]
        if picture.is_deep and not self.value_range:
            raise ValueError(
                "expected --value_range=LOW,HIGH, as images have values of more than 8 "
                f"bits, such as from {picture.extent.low:g} to {picture.extent.high:g}"
            )
        pixels = color(picture.levels(self.value_range or None))
        if self.size is not None:
            pixels = fit(pixels, self.size, resize=self.resize)
        if self.channels:
            pixels = to_channels(pixels, self.channels)
        return pixels, picture.is_gray

    def decided(self, contents: Sequence[bytes]) -> tuple["Decoder", tuple[int, ...]]:
        """This decoder with a number of channels, and the shape of all images.

        Args:
            contents: bytes of a few files; if all are gray, there is one channel.

        Raises: ValueError: if sizes differ, or none can be read.
        """
        found, reasons = [], []
        for content in contents:
            try:
                found.append(self.pixels(content))
            except (UnreadableImageError, SmallImageError) as error:
                reasons.append(error)
        if not found:
            raise ValueError(
                f"expected images that can be read, found none among {len(contents)}: "
                f"{reasons[0]}; {SMALLER_HELP}"
            )
        shapes = sorted({pixels.shape for pixels, _ in found})
        if len(shapes) > 1:
            raise ValueError(
                "expected --image_size, as the images have different sizes: found "
                f"{shapes[0]} and {shapes[-1]}"
            )
        gray = all(is_gray for _, is_gray in found)
        channels = self.channels or (1 if gray else shapes[0][2])
        decided = dataclasses.replace(self, channels=channels)
        return decided, (*shapes[0][:2], channels)


class Stream:
    """The images of one split.

    Args:
        paths: of all shards.
        shards: function from a path to its reader.
        chosen: function from a shard's number to the places and labels of its images
            in the split.
        order: `Order` of the split.
        decoder: `Decoder`.
        shape: of the images.
        class_names: in the order of the labels; empty without labels.
    """

    def __init__(
        self,
        paths: Sequence[str],
        shards: Callable,
        chosen: Callable,
        order: Order,
        decoder: Decoder,
        shape: Sequence[int],
        class_names: Sequence[str],
    ) -> None:
        self._paths, self._shards, self._chosen = paths, shards, chosen
        self._order, self._decoder, self._shape = order, decoder, tuple(shape)
        self._numbers = {name: number for number, name in enumerate(class_names)}
        self._firsts = np.cumsum([0, *order.counts])
        self._pool = concurrent.futures.ThreadPoolExecutor(2)
        self._lock = threading.Lock()
        self._windows = {}  # futures of rows in order, and their contents
        self._seen, self._bad = 0, 0

    def split(self) -> Split:
        """The split."""
        size = int(self._firsts[-1])
        return Split(size=size, load=self._load, order=self)

    def size(self, part: int, parts: int) -> int:
        """As in `Order`."""
        return self._order.size(part, parts)

    @_until_the_end
    def rows(self, seed, epoch, position, share, part, parts) -> np.ndarray:
        """Rows of a part of a batch, int64; starts reading their contents."""
        window, size = self._order.window, self._order.size(part, parts)
        first, stop = position * share, min((position + 1) * share, size)
        found = []
        for number in range(first // window, -(-stop // window)):
            rows = self._window(number, seed, epoch, part, parts)[0]
            start = number * window
            found.append(rows[max(first - start, 0) : stop - start])
        return np.concatenate(found)

    def _window(self, number, seed, epoch, part, parts):
        """Rows and contents of a window; starts reading the next one."""
        size = self._order.size(part, parts)
        is_last = (number + 1) * self._order.window >= size
        following = (0, epoch + 1) if is_last else (number + 1, epoch)
        places = [
            (int(number), seed, int(epoch), part, parts)
            for number, epoch in ((number, epoch), following)
        ]
        with self._lock:
            for place in places:
                if place not in self._windows:
                    self._windows[place] = self._pool.submit(self._read, place)
            window = self._windows[places[0]]
            while len(self._windows) > _WINDOWS:
                self._windows.pop(next(iter(self._windows)))
        return window.result()

    def _read(self, place):
        rows = self._order.of_window(*place)
        return rows, dict(zip(rows.tolist(), self.contents(rows)))

    def contents(self, rows: np.ndarray) -> list[bytes | None]:
        """Bytes of image files; each shard is read in file order."""
        contents = [None] * len(rows)
        for shard, where, local in self._by_shard(rows):
            places = self._chosen(shard)[0][local]
            reader = self._shards(self._paths[shard])
            images = reader.images([tuple(place) for place in places.tolist()])
            for place, image in zip(where.tolist(), images):
                contents[place] = image
        return contents

    def _by_shard(self, rows):
        """Each shard's number, which rows are in it, and where, in ascending order."""
        owners = np.searchsorted(self._firsts, rows, "right") - 1
        for shard in np.unique(owners).tolist():
            where = np.flatnonzero(owners == shard)
            where = where[np.argsort(rows[where], kind="stable")]
            yield shard, where, rows[where] - self._firsts[shard]

    def _load(self, indices, seed):
        images, labels = tf.numpy_function(
            self._images, [indices], (tf.uint8, tf.int32), stateful=False
        )
        batch = indices.shape[0]
        images = tf.ensure_shape(images, [batch, *self._shape])
        found = {"image": to_float(images)}
        if self._numbers:
            found["label"] = tf.ensure_shape(labels, [batch])
        return found

    @_until_the_end
    def _images(self, rows):
        """Images and labels; unreadable images are replaced."""
        held = {}
        for window in list(self._windows.values()):
            if window.done() and not window.exception():
                contents = window.result()[1]
                held |= {row: contents[row] for row in rows.tolist() if row in contents}
        missing = [row for row in rows.tolist() if held.get(row) is None]
        held |= zip(missing, self.contents(np.array(missing, np.int64)))
        pixels, bad = [], {}
        for row in rows.tolist():
            try:
                pixels.append(self._decoder.pixels(held[row])[0])
                if pixels[-1].shape != self._shape:
                    raise ValueError(
                        "expected --image_size, as the images have different sizes: "
                        f"found {self._shape} and {pixels[-1].shape}"
                    )
            except (UnreadableImageError, SmallImageError) as error:
                pixels.append(None)
                bad[row] = error
        self._seen += len(rows)
        if bad:
            self._tell(bad, len(rows))
        good = [place for place, image in enumerate(pixels) if image is not None]
        nearest = np.searchsorted(good, np.arange(len(rows))) % len(good)
        taken = np.array(good)[nearest]
        return np.stack([pixels[place] for place in taken]), self._labels(rows[taken])

    def _labels(self, rows):
        labels = np.zeros(len(rows), np.int32)
        if self._numbers:
            for shard, where, local in self._by_shard(rows):
                names = self._chosen(shard)[1][local].tolist()
                labels[where] = [self._numbers[name] for name in names]
        return labels

    def _tell(self, bad, size):
        """Warns of unreadable images; ValueError if there are too many."""
        self._bad += len(bad)
        row, error = next(iter(bad.items()))
        shard = int(np.searchsorted(self._firsts, row, "right")) - 1
        number = row - self._firsts[shard] + 1
        first = f"image {number:,} of this split in {self._paths[shard]}: {error}"
        if len(bad) == size or self._bad > max(1, _BAD_SHARE * self._seen, size // 2):
            raise ValueError(
                f"expected at most {_BAD_SHARE:.0%} of images that are unreadable or "
                f"too small, found {self._bad} of {self._seen}: {first}; {SMALLER_HELP}"
            )
        warnings.warn(
            f"{len(bad)} images are replaced by others of their batch, such as {first}",
            stacklevel=2,
        )

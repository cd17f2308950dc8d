"""What every data set becomes: three splits of batched, reproducible items."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Loader = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]

_ENDLESS = np.iinfo(np.int64).max


def spread(size: int, count: int) -> np.ndarray:
    """Int64 rows of `count` of `size` images, from all over them, in ascending order.

    The first ones may be of one class. There are `size` rows at most.
    """
    count = min(size, count)
    return np.arange(count) * size // count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """A fixed number of images which are loaded a batch at a time, by index.

    Batches are a pure function of `(seed, global step)`: the pipeline counts steps
    and computes the indices of each one, so that starting at any step is free and
    gives the batches which an uninterrupted run would have seen.

    Args:
        size: int. Number of images in an epoch.
        load: function of `indices`, int64 `(batch,)` in [0, size), and `seed`, int32
            `(2,)`, to a dict with `image`, float32 `(batch, height, width, channels)`
            in [-0.5, 0.5], and `label`, int32 `(batch,)`, if there are labels. It is
            traced by tf.data.
        item: what an item is called in that dict: `"image"`, `"vector"`, float32
            `(batch, dim)`, or `"sequence"`, float32 `(batch, time, channels)`.
        order: what gives the shuffled order in the place of a permutation of all
            images, such as `shard_stream.Stream`; or None.
    Raises: ValueError: if `size` is not positive.
    """

    size: int
    load: Loader
    item: str = "image"
    order: Any = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"expected at least one image, received size={self.size}")

    def steps_per_epoch(
        self, batch_size: int, drop_remainder: bool = False, parts: int = 1
    ) -> int:
        """Number of batches in an epoch, at least one; ValueError if there is none.

        Args:
            batch_size: int.
            drop_remainder: bool.
            parts: int, workers that divide a batch, as in `batches`.
        """
        if batch_size < 1 or batch_size % parts:
            raise ValueError(
                f"expected a positive batch size and a multiple of {parts}, received "
                f"batch_size={batch_size}"
            )
        if not drop_remainder:
            return -(-self.size // batch_size)
        size = self.size
        if self.order and parts > 1:
            size = parts * min(self.order.size(part, parts) for part in range(parts))
        if batch_size > size:
            raise ValueError(
                f"expected a batch size of at most {size}, the number of images, "
                f"as incomplete batches are dropped; received batch_size={batch_size}"
            )
        return size // batch_size

    def batches(
        self,
        batch_size: int,
        *,
        seed: int | None = None,
        epochs: int | None = 1,
        start_step: int = 0,
        drop_remainder: bool = False,
        part: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        """Batches of the split as a dataset of dicts.

        Args:
            batch_size: int. The last batch of an epoch is smaller unless dropped.
            seed: int in [0, 2**31), or None for the stored order. With a seed every
                epoch is another permutation of all indices.
            epochs: int, or None for an endless dataset.
            start_step: int. Global step to begin at, counted from the first epoch.
            drop_remainder: bool. Whether to leave out the incomplete last batch of
                every epoch, which makes the batch size static.
            part: number of a worker and of all workers. Each loads its part of whole
                batches alone, which together are those of one worker, unless the split
                has an `order`: then it reads its own shards.
        Raises: ValueError: if a number is out of its range.
        """
        steps = self.steps_per_epoch(batch_size, drop_remainder, part[1])
        stop = _ENDLESS if epochs is None else epochs * steps
        if not 0 <= start_step <= stop:
            raise ValueError(
                f"expected a step between 0 and {stop}, received "
                f"start_step={start_step}"
            )
        if seed is not None and not 0 <= seed < 2**31:
            raise ValueError(f"expected a seed in [0, 2**31), received seed={seed}")

        @tf.autograph.experimental.do_not_convert
        def load_step(step: tf.Tensor) -> dict[str, tf.Tensor]:
            indices = self._indices(step, batch_size, steps, seed, part)
            if drop_remainder:
                indices = tf.ensure_shape(indices, [batch_size // part[1]])
            step_seed = tf.random.experimental.stateless_fold_in([seed or 0, 0], step)
            if part[0]:  # Of what is random, workers draw other values.
                step_seed = tf.random.experimental.stateless_fold_in(step_seed, part[0])
            return self.load(indices, tf.cast(step_seed, tf.int32))

        return (
            tf.data.Dataset.range(start_step, stop)
            .map(load_step, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(tf.data.AUTOTUNE)
        )

    def arrays(self, limit: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Items and labels as NumPy arrays, in the stored order.

        Images are float32 in [-0.5, 0.5], labels int32 or None. A split that draws
        its images at random gives those of seed 0.

        Args:
            limit: int. So many are taken from all over the split (`spread`).
        """
        if limit is not None and limit < 1:
            raise ValueError(f"expected a positive limit, received limit={limit}")
        rows = spread(self.size, limit or self.size)
        some = Split(
            size=len(rows), load=lambda i, seed: self.load(tf.gather(rows, i), seed)
        )
        batches = list(some.batches(256).as_numpy_iterator())
        items = np.concatenate([batch[self.item] for batch in batches])
        if "label" not in batches[0]:
            return items, None
        return items, np.concatenate([batch["label"] for batch in batches])

    def _indices(
        self,
        step: tf.Tensor,
        batch_size: int,
        steps: int,
        seed: int | None,
        part: tuple[int, int],
    ) -> tf.Tensor:
        number, share = part[0], batch_size // part[1]
        epoch, position = step // steps, step % steps
        if seed is not None and self.order:
            rows = tf.numpy_function(
                lambda *place: self.order.rows(seed, *place, share, *part),
                [epoch, position],
                tf.int64,
                stateful=False,
            )
            return tf.ensure_shape(rows, [None])
        first = position * batch_size + number * share
        indices = tf.range(first, tf.minimum(first + share, self.size))
        if seed is None:
            return indices
        return tf.random.experimental.index_shuffle(
            indices,
            seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
            max_index=tf.constant(self.size - 1, tf.int64),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
    """The training, validation and test items of one data set.

    Args:
        train: Split. Augmented if asked for.
        validation: Split. Never augmented.
        test: Split. Never augmented.
        name: str. What `load` was asked for.
        image_shape: the shape of every item: `(height, width, channels)` of images,
            `(dim,)` of vectors, `(time, channels)` of sequences.
        class_names: tuple of str in label order, empty without labels.
        fingerprint: str. sha256 of the content and order of all images and labels;
            equal fingerprints mean equal data.
        summary: dict, JSON: what was read and left out (`summary.Summary.as_json`).
        table: all items in the order of their file, where they have keys, or None.
    """

    train: Split
    validation: Split
    test: Split
    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    fingerprint: str
    summary: dict = dataclasses.field(default_factory=dict)
    table: Any = None

    @property
    def item(self) -> str:
        """What an item is called in a batch."""
        return self.train.item

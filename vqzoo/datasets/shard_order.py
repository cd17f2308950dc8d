"""The order of the records: shards at random, then shuffled in windows."""

import dataclasses
import functools
import heapq
from collections.abc import Sequence

import numpy as np

MIXED = 8  # shards read at a time
_KEPT = 4  # epochs and groups whose order stays in memory


@dataclasses.dataclass(frozen=True)
class Order:
    """Order of the rows of a split, a function of seed, epoch and position alone.

    Each of `parts` workers reads its own shards and no others. In an epoch its shards
    come in random order, `MIXED` at a time, and their records take turns; then every
    `window` records are shuffled. An order can begin anywhere without computing what
    comes before.

    Args:
        counts: ints, rows of each shard in the split. Row numbers span all shards.
        window: int.
        flag: str, named in errors.
    """

    counts: tuple[int, ...]
    window: int
    flag: str = "data_dir"

    def size(self, part: int = 0, parts: int = 1) -> int:
        """Number of rows of a part.

        Raises: ValueError: if there are fewer shards with rows than parts.
        """
        return sum(self.counts[shard] for shard in _shards(self, parts)[part])

    def of_window(
        self, number: int, seed: int, epoch: int, part: int = 0, parts: int = 1
    ) -> np.ndarray:
        """Rows of a window of an epoch, int64, in order."""
        groups, bounds = _epoch(self, seed, epoch, part, parts)
        first = number * self.window
        stop = min(first + self.window, bounds[-1])
        begin, end = np.searchsorted(bounds, (first, stop - 1), "right") - 1
        rows = np.concatenate([_turns(self, groups[n]) for n in range(begin, end + 1)])
        rows = rows[first - bounds[begin] :][: stop - first]
        return np.random.default_rng([seed, epoch, part, number]).permutation(rows)


@functools.lru_cache(_KEPT)
def _shards(order, parts):
    """Shards of each part: the next largest goes to the part with the fewest rows."""
    used = sum(count > 0 for count in order.counts)
    if used < parts:
        raise ValueError(
            f"expected --{order.flag} to name at least as many shards with training "
            f"images as there are workers, {parts}; it has {used}"
        )
    heap = [(0, part, []) for part in range(parts)]
    for shard in sorted(range(len(order.counts)), key=lambda n: -order.counts[n]):
        rows, part, chosen = heap[0]
        chosen.append(shard)
        heapq.heapreplace(heap, (rows + order.counts[shard], part, chosen))
    return [chosen for _, _, chosen in sorted(heap, key=lambda each: each[1])]


@functools.lru_cache(_KEPT)
def _epoch(order, seed, epoch, part, parts):
    """Groups of shards that are read together, and where the rows of each begin."""
    mine = np.array(_shards(order, parts)[part])
    mine = np.random.default_rng([seed, epoch]).permutation(mine).tolist()
    groups = [tuple(mine[n : n + MIXED]) for n in range(0, len(mine), MIXED)]
    sizes = [sum(order.counts[shard] for shard in group) for group in groups]
    return groups, np.cumsum([0, *sizes])


@functools.lru_cache(_KEPT)
def _turns(order, group: Sequence[int]):
    """Rows of shards that take turns, longer shards more often."""
    firsts = np.cumsum([0, *order.counts])
    counts = [order.counts[shard] for shard in group]
    rows = [np.arange(firsts[shard], firsts[shard + 1]) for shard in group]
    times = [(np.arange(count) + 0.5) / max(1, count) for count in counts]
    turns = np.argsort(np.concatenate(times), kind="stable")
    return np.concatenate(rows).astype(np.int64)[turns]

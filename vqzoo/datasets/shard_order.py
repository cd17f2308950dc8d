"""In which order the records of shards come: by shard, and shuffled in a window."""

import dataclasses
import functools
import heapq
from collections.abc import Sequence

import numpy as np

MIXED = 8  # shards that are read at a time
_KEPT = 4  # epochs and groups whose order stays in memory


@dataclasses.dataclass(frozen=True)
class Order:
    """Rows of a split in shards, as a function of seed, epoch and position alone.

    Of `parts` workers each has shards of its own, and no other reads them. In an epoch
    its shards come in a random order, `MIXED` at a time, whose records take turns; of
    what comes so, every `window` records are shuffled. To begin anywhere takes no look
    at what comes before.

    Args:
        counts: int, the rows of each shard in the split. Rows are counted through.
        window: int.
        flag: str, which an error names.
    """

    counts: tuple[int, ...]
    window: int
    flag: str = "data_dir"

    def size(self, part: int = 0, parts: int = 1) -> int:
        """Rows of a part.

        Raises: ValueError: if there are fewer shards with rows than parts.
        """
        return sum(self.counts[shard] for shard in _shards(self, parts)[part])

    def of_window(
        self, number: int, seed: int, epoch: int, part: int = 0, parts: int = 1
    ) -> np.ndarray:
        """Int64 rows of a window of an epoch, in their order."""
        groups, bounds = _epoch(self, seed, epoch, part, parts)
        first = number * self.window
        stop = min(first + self.window, bounds[-1])
        begin, end = np.searchsorted(bounds, (first, stop - 1), "right") - 1
        rows = np.concatenate([_turns(self, groups[n]) for n in range(begin, end + 1)])
        rows = rows[first - bounds[begin] :][: stop - first]
        return np.random.default_rng([seed, epoch, part, number]).permutation(rows)


@functools.lru_cache(_KEPT)
def _shards(order, parts):
    """The shards of each part: the next largest goes to that with fewest rows."""
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
    """Rows of shards that take turns, the longer ones more often."""
    firsts = np.cumsum([0, *order.counts])
    counts = [order.counts[shard] for shard in group]
    rows = [np.arange(firsts[shard], firsts[shard + 1]) for shard in group]
    times = [(np.arange(count) + 0.5) / max(1, count) for count in counts]
    turns = np.argsort(np.concatenate(times), kind="stable")
    return np.concatenate(rows).astype(np.int64)[turns]

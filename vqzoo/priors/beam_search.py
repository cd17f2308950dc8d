"""The likeliest existing IDs to follow a history."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_positive_ints
from vqzoo.priors import conditions, raster

_NEVER = -1e30  # the log probability of IDs that do not exist


def recommend(prior, histories, tree, count=10, *, num_beams=None, batch_size=64):
    """The likeliest IDs for the last row of each grid.

    A beam search over the levels of an ID that follows only existing prefixes.

    Args:
        prior: `SequenceTransformer` over `(items, levels)`.
        histories: int `(N, items - 1, levels)`, oldest first, in [-1, K); -1 for the
            rows before a shorter history.
        tree: `PrefixTree` of the existing IDs.
        count: int, IDs per history.
        num_beams: int, width of the beam. Defaults to twice the count.
        batch_size: int, histories at once.

    Returns:
        `(leaves, log_prob)`: int `(N, count)`, rows of `tree.ids`, the likeliest first,
        and float32 `(N, count)`; -1 and -inf where fewer exist.

    Raises:
        ValueError: if tree or histories do not fit the prior, or an ID of a history
            does not exist.
    """
    check_positive_ints(count=count)
    num_beams = max(count, num_beams or 2 * count)
    expected = (prior.num_embeddings, prior.grid_shape[1])
    if (tree.num_embeddings, tree.num_levels) != expected:
        raise ValueError(
            f"expected a tree of {expected[1]} levels of {expected[0]} codes, received "
            f"{tree.num_levels} levels of {tree.num_embeddings}"
        )
    shape = (len(histories), prior.grid_shape[0] - 1, prior.grid_shape[1])
    histories = conditions.codes_array(
        "histories", histories, shape, prior.num_embeddings, least=-1
    )
    there = (histories >= 0).all(axis=-1)
    if there.any():
        tree.leaves(histories[there])  # names an ID that does not exist
    search = raster.sampler_of(prior, _BeamSearch, tree, num_beams)
    leaves, log_prob = [], []
    for batch in raster.batches({"codes": histories}, batch_size):
        # Another size of the last batch would compile again.
        missing = batch_size - len(batch["codes"]) if len(histories) > batch_size else 0
        padding = [(0, missing), (0, 0), (0, 0)]
        found = search.predict_on_batch(np.pad(batch["codes"], padding))
        kept = len(batch["codes"])
        leaves.append(found[0][:kept, :count])
        log_prob.append(found[1][:kept, :count])
    leaves, log_prob = np.concatenate(leaves), np.concatenate(log_prob)
    exists = log_prob > _NEVER / 2
    leaves, log_prob = np.where(exists, leaves, -1), np.where(exists, log_prob, -np.inf)
    more = [(0, 0), (0, count - leaves.shape[1])]
    return (
        np.pad(leaves, more, constant_values=-1),
        np.pad(log_prob, more, constant_values=-np.inf),
    )


class _BeamSearch(keras.Model):
    """From histories to leaves of a tree and their log probabilities."""

    def __init__(self, prior, tree, num_beams):
        super().__init__(name=f"{prior.name}_beam_search", dtype="float32")
        self.prior, self.tree, self.num_beams = prior, tree, num_beams

    def call(self, codes):
        prior, size = self.prior, self.prior.num_embeddings
        state = self._read(codes)
        batch = ops.shape(codes)[0]
        scores = ops.zeros((batch, 1))
        nodes = ops.zeros((batch, 1), "int32")
        for column, keys in enumerate(self.tree.keys):
            num_beams = scores.shape[1]
            logits, state = prior.logits_at(state, column)
            log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
            log_p = ops.reshape(log_p, (-1, num_beams, size))
            wanted = nodes[..., None] * size + ops.arange(size, dtype="int32")
            children, exists = _find(keys, wanted)
            total = ops.where(exists, scores[..., None] + log_p, _NEVER)
            kept = min(self.num_beams, num_beams * size, len(keys))
            scores, flat = ops.top_k(ops.reshape(total, (-1, num_beams * size)), kept)
            children = ops.reshape(children, (-1, num_beams * size))
            nodes = ops.take_along_axis(children, flat, axis=1)
            rows = ops.arange(batch, dtype="int32")[:, None] * num_beams + flat // size
            state = _taken(state, ops.reshape(rows, (-1,)))
            state = prior.put(state, ops.reshape(flat % size, (-1,)), column)
        return nodes, scores

    def _read(self, codes):
        """The state of the prior before the last row."""
        prior = self.prior

        def read_row(row, state):
            state, here = prior.begin_row(state), ops.take(codes, row, axis=1)
            for column in range(prior.grid_shape[1]):
                _, state = prior.logits_at(state, column)
                state = prior.put(state, here[:, column], column)
            return prior.end_row(state)

        state = prior.start(ops.shape(codes)[0])
        state = ops.fori_loop(0, prior.grid_shape[0] - 1, read_row, state)
        return prior.begin_row(state)


def _find(keys, wanted):
    """Positions of values among ascending keys, and whether they occur."""
    keys = ops.convert_to_tensor(keys)
    places = ops.searchsorted(keys, ops.reshape(wanted, (-1,)))
    places = ops.minimum(ops.cast(places, "int32"), keys.shape[0] - 1)
    places = ops.reshape(places, ops.shape(wanted))
    return places, ops.take(keys, places) == wanted


def _taken(state, rows):
    """A state with these rows of its batch; scalars are kept."""
    return keras.tree.map_structure(
        lambda array: ops.take(array, rows, axis=0) if len(array.shape) else array,
        state,
    )

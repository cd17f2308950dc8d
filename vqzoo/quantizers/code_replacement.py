"""Codes out of use restart, where the optimizer moves the codebook."""

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers.base import add_state, counted_rows
from vqzoo.quantizers.soft_codes import JITTER, MovedCodebook
from vqzoo.replicas import draw_rows, sum_across_replicas


class ReplacedCodes(MovedCodebook):
    """Abstract: something differentiable replaces the error, and unused codes restart.

    The loss of the model trains latents and codes alike, through what a subclass passes
    on in `_substitute`, so that no loss of the codebook's own is needed.

    Args: as in `MovedCodebook`; a subclass has `decay` and `restart_threshold` too.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.ema_counts = add_state(self, "ema_counts", (self.num_embeddings,), "ones")

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            codebook = self._start_codebook(rows, mask)
        codes, nearest, _, received = self._choose(latents, codebook, training)
        if not training:
            return straight_through(rows, nearest), {}
        quantized = self._substitute(rows, received)
        counted = counted_rows(rows, mask)
        replace_unused(self, ops.where(counted, codes, -1), codebook)
        return quantized, {}

    def _substitute(self, rows, received):
        """What the decoder receives during training.

        Args:
            rows: float32 `(N, D)`, the latents.
            received: float32 `(N, D)`, the codes chosen for them.
        """
        raise NotImplementedError

    def _draw_noise(self, rows):
        """Standard normal noise for this replica's rows: float32 `(N, D)`."""

        def draw(num_rows):
            shape = (num_rows, self.embedding_dim)
            return keras.random.normal(shape, seed=self.seed_generator)

        return draw_rows(draw, ops.shape(rows)[0])


def replace_unused(layer, codes, codebook):
    """Counts the codes of a training step and moves unused ones beside used ones.

    A code is unused when its average count is below `restart_threshold` of the mean.
    It becomes a copy of a used code, drawn evenly, with a little noise in which the two
    part. The codebook is a `soft_codes.MovedCodebook`: the step of the optimizer
    is kept, so that what restarts is where it started.

    Args:
        layer: `MovedCodebook` with `decay`, `restart_threshold` and `seed_generator`.
        codes: int32 `(N,)`, of this replica's latents; -1 is left out.
        codebook: float32 `(K, D)`, that chose them.

    Source: Vali and Backstrom 2022, IEEE Access 10, codebook replacement. Differs:
    counts are a moving average and not those of a number of batches; the threshold is
    relative; the noise is a 10th of the codes' deviation and not lost in float32.
    """
    codebook = ops.stop_gradient(codebook)
    ones = ops.ones_like(codes, dtype="float32")
    new = ops.segment_sum(ones, codes, num_segments=layer.num_embeddings)
    new = sum_across_replicas(new)
    seen = ops.sum(new) > 0
    kept, rate = ops.where(seen, layer.decay, 1.0), ops.where(seen, 1 - layer.decay, 0)
    counts = kept * layer.ema_counts.value + rate * new
    share = ops.mean(counts)
    dead = counts < layer.restart_threshold * share
    dead = ops.logical_and(dead, layer.started.value >= 1)
    placed = ops.take(codebook, _used_in_place(dead, layer.seed_generator), axis=0)
    noise = keras.random.normal(codebook.shape, seed=layer.seed_generator)
    placed = placed + JITTER * ops.std(codebook, axis=0) * noise
    start = placed - ops.convert_to_tensor(layer.codebook_offset)
    start = ops.where(dead[:, None], start, layer.codebook_start.value)
    layer.codebook_start.assign(start)
    layer.ema_counts.assign(ops.where(dead, share, counts))
    if layer.on_move:
        layer.on_move(dead, None)


def _used_in_place(dead, seed):
    """For each code the index of a used one, int32 `(K,)`; it matters for dead ones.

    The used codes in random order serve the dead ones in turn: none serves twice
    before all have.
    """
    is_dead = ops.cast(dead, "int32")
    places = keras.random.uniform(dead.shape, seed=seed) + ops.cast(dead, "float32")
    order = ops.cast(ops.argsort(places), "int32")
    num_used = dead.shape[0] - ops.sum(is_dead)
    turn = ops.mod(ops.cumsum(is_dead) - is_dead, num_used)
    return ops.take(order, turn, axis=0)

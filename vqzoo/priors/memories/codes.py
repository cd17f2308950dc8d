"""Frames of codes: tokens of each tier, losses and likelihoods."""

import keras
import numpy as np
from keras import ops


class Codes:
    """The codes of a frame as tokens; each tier has tokens of its own.

    Args:
        memory: `Memory` of codes.
    """

    def __init__(self, memory):
        counts = [count for _, count in memory.tiers]
        places = [int(np.prod(shape)) for shape, _ in memory.tiers]
        starts = np.cumsum([0, *counts[:-1]])
        self.total, self.most = sum(counts), max(counts)
        self.starts = np.repeat(starts, places).astype("int32")
        self.counts = np.repeat(counts, places)
        beyond = np.arange(self.most) >= self.counts[:, None]
        self._outside = np.where(beyond, np.float32(-1e9), np.float32(0))

    @property
    def outside(self):
        """Added to logits `(..., frame_size, most)` to mask codes that a tier lacks."""
        return ops.convert_to_tensor(self._outside)

    def tokens(self, codes, column=None):
        """Tokens of codes `(..., frame_size)`, or `(batch,)` of one position."""
        codes, starts = ops.cast(codes, "int32"), ops.convert_to_tensor(self.starts)
        return codes + (starts if column is None else ops.take(starts, column))


def loss():
    """The loss of logits: nats per code."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def log_probs(logits, codes):
    """Log probabilities of frames `(batch, frames)`, float64, in nats."""
    log_all = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    log_p = np.take_along_axis(
        ops.convert_to_numpy(log_all), np.asarray(codes)[..., None], axis=-1
    )
    return log_p.sum(axis=(-2, -1), dtype="float64")

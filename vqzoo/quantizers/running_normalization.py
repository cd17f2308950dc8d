"""Normalization by statistics that are kept, and can be undone."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_positive, check_shares
from vqzoo.quantizers.base import add_state, counted_rows, grid_mask
from vqzoo.replicas import sum_across_replicas


@keras.saving.register_keras_serializable("vqzoo")
class RunningNormalization(Configured, keras.layers.Layer):
    """Brings each channel to mean 0 and standard deviation 1, by running statistics.

    Training calls move the statistics; training and inference normalize by them alike,
    so that a batch is not measured by itself and `inverse` undoes the call. Batch t
    counts with 1 / t until that is less than 1 - decay: the statistics are those of all
    data at first and then follow it as it changes. They get no gradient. Frozen, they
    stay; positions that are masked or not finite take no part in them.

    Args:
        decay: float in [0, 1), of the statistics. Defaults to 0.99.
        epsilon: float above 0, added to the variance. Defaults to 1e-5.
    Input shape: `(batch, ..., channels)`, float, any range.
    Output shape: same.
    State: mean `(channels,)`, variance `(channels,)` and batches `()`, how many batches
        they have seen; 0, 1 and 0 at first, which changes hardly anything.
    Raises: ValueError: if `decay` or `epsilon` is out of its range.
    Source: the normalization of the latents between the tiers of Williams et al. 2020,
        arXiv 2002.08111, public code. Differs: it follows the data when that changes.
    Example:
        >>> normalization = RunningNormalization()
        >>> normalized = normalization(np.array([[1.0], [3.0]]), training=True)
        >>> normalized.numpy().round(2).tolist()
        [[-1.0], [1.0]]
        >>> normalization.inverse(normalized).numpy().round(2).tolist()
        [[1.0], [3.0]]
    """

    def __init__(self, *, decay=0.99, epsilon=1e-5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        check_shares(decay=decay)
        check_positive(epsilon=epsilon)
        self._keep(locals())

    def build(self, input_shape):
        self.input_spec = keras.layers.InputSpec(axes={-1: input_shape[-1]})
        self.mean = add_state(self, "mean", (input_shape[-1],), "zeros")
        self.variance = add_state(self, "variance", (input_shape[-1],), "ones")
        self.batches = add_state(self, "batches", (), "zeros")

    def call(self, inputs, training=False, mask=None):
        inputs = ops.cast(inputs, "float32")
        if training and self.trainable:
            self._learn(ops.stop_gradient(inputs), mask)
        normalized = (inputs - self.mean.value) / self._stddev()
        return ops.cast(normalized, self.compute_dtype)

    def _stddev(self):
        return ops.sqrt(self.variance.value + self.epsilon)

    def _learn(self, inputs, mask):
        rows = ops.reshape(inputs, (-1, inputs.shape[-1]))
        mask = None if mask is None else grid_mask(mask, inputs)
        counted = counted_rows(rows, mask)[:, None]
        rows = ops.where(counted, rows, 0.0)
        count = sum_across_replicas(ops.sum(ops.cast(counted, "float32")))
        seen, count = ops.cast(count > 0, "float32"), ops.maximum(count, 1.0)
        mean = sum_across_replicas(ops.sum(rows, axis=0)) / count
        squares = ops.sum(ops.where(counted, ops.square(rows - mean), 0.0), axis=0)
        variance = sum_across_replicas(squares) / count
        rate = ops.maximum(1 / (self.batches.value + 1), 1 - self.decay) * seen
        step = mean - self.mean.value
        # The variance about the new mean: that inside of both parts, that between them.
        within = (1 - rate) * self.variance.value + rate * variance
        self.variance.assign(within + rate * (1 - rate) * ops.square(step))
        self.mean.assign(self.mean.value + rate * step)
        self.batches.assign(self.batches.value + seen)

    def inverse(self, normalized):
        """What the layer would have normalized to `normalized`, by the same state."""
        inputs = ops.cast(normalized, "float32") * self._stddev() + self.mean.value
        return ops.cast(inputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

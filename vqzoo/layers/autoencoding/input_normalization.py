"""Normalization of inputs by statistics of the whole data, which can be undone."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_one_of
from vqzoo.images import to_numpy
from vqzoo.quantizers.base import add_state

MODES = ("center", "standard", "whitening")
_LEAST = 1e-4  # of the mean variance: directions with less are not blown up
_ROUNDING = 1e-12  # of the squared mean
_BLOCK = 2**16  # rows


@keras.saving.register_keras_serializable("vqzoo")
class InputNormalization(Configured, keras.layers.Layer):
    """Brings vectors to mean 0 and variance 1, by statistics of a data set.

    `adapt` learns the statistics, which nothing else changes; `inverse` undoes the
    call. Columns that are constant become 0.

    Args:
        mode: `"center"`, the mean is taken off and all columns are divided by one
            number, so that distances stay what they are to each other; `"standard"`,
            each column by its own standard deviation; or `"whitening"`, the symmetric
            matrix after which columns are not correlated (ZCA).
    Input shape: `(batch, ..., D)`, float, any range.
    Output shape: same.
    State: mean `(D,)`; scale `(D,)`, or of whitening a matrix and its inverse,
        `(D, D)`. Before `adapt` they change nothing.
    Raises: ValueError: if the mode is unknown.
    Source: none for the first two; Bell and Sejnowski 1997, Vision Research 37, for the
        third. Differs: variances of less than 1e-4 of the mean one count as that much
        in whitening.
    Example:
        >>> layer = InputNormalization()
        >>> layer.adapt(np.array([[1.0, 5.0], [3.0, 5.0]]))
        >>> layer.inverse(layer(np.array([[2.0, 5.0]]))).numpy().tolist()
        [[2.0, 5.0]]
    """

    def __init__(self, mode="center", **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_one_of(MODES, mode=mode)
        self.supports_masking = True
        self._keep(locals())

    def build(self, input_shape):
        dim = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(axes={-1: dim})
        self.mean = add_state(self, "mean", (dim,), "zeros")
        if self.mode == "whitening":
            self.whitening = add_state(self, "whitening", (dim, dim), "identity")
            self.coloring = add_state(self, "coloring", (dim, dim), "identity")
        else:
            self.scale = add_state(self, "scale", (dim,), "ones")

    def adapt(self, vectors):
        """Learns the statistics.

        Args:
            vectors: float `(N, D)`, at least 2.

        Raises:
            ValueError: if all of them are equal.
        """
        vectors = to_numpy(vectors)
        if not self.built:
            self.build(vectors.shape)
        mean = vectors.mean(axis=0, dtype="float64")
        covariance = 0.0
        for start in range(0, len(vectors), _BLOCK):
            rest = vectors[start : start + _BLOCK] - mean
            if self.mode == "whitening":
                covariance += rest.T @ rest / len(vectors)
            else:
                covariance += np.square(rest).sum(axis=0) / len(vectors)
        variances = np.diag(covariance) if covariance.ndim == 2 else covariance
        if not variances.mean() > 0:
            raise ValueError("expected different vectors, received equal ones")
        self.mean.assign(mean)
        least = _LEAST * variances.mean()
        if self.mode == "whitening":
            values, axes = np.linalg.eigh(covariance)
            stddev = np.sqrt(np.maximum(values, least))
            self.whitening.assign(axes / stddev @ axes.T)
            self.coloring.assign(axes * stddev @ axes.T)
        elif self.mode == "standard":
            # Channels of any units; what rounding leaves of a constant is no variance.
            varies = variances > _ROUNDING * np.square(mean)
            self.scale.assign(np.sqrt(np.where(varies, variances, variances.mean())))
        else:
            self.scale.assign(np.full_like(mean, np.sqrt(variances.mean())))

    def call(self, inputs):
        rest = ops.cast(inputs, "float32") - self.mean.value
        if self.mode == "whitening":
            normalized = ops.matmul(rest, self.whitening.value)
        else:
            normalized = rest / self.scale.value
        return ops.cast(normalized, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def inverse(self, normalized):
        """What the call made these of: float32."""
        normalized = ops.cast(normalized, "float32")
        if self.mode == "whitening":
            return ops.matmul(normalized, self.coloring.value) + self.mean.value
        return normalized * self.scale.value + self.mean.value

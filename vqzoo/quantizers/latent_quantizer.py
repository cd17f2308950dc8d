"""Latent quantization: each channel takes one of a few learned values of its own."""

import math

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers import mixed_radix, quantization


@keras.saving.register_keras_serializable("vqzoo")
class LatentQuantizer(keras.layers.Layer):
    """Replaces each channel of the latents by the nearest of its own learned values.

    Every channel has a small codebook of single numbers. The quantization loss moves a
    value toward the latents that chose it, the commitment loss moves the latents
    toward their values. With strong weight decay on the rest of the model each channel
    tends to stand for one factor of variation. At inference the nearest is taken.

    Args:
        levels: sequence of ints of at least 2, how many values each channel has. For
            more codes than int32 counts put several layers into a `GroupedQuantizer`.
        commitment_cost: float, weight of the commitment loss. Defaults to 0.1.
        quantization_cost: float, weight of the quantization loss. Defaults to 0.1.
        optimize_values: bool. Whether the values are learned; if not, they stay spread
            evenly and there is no quantization loss. Defaults to True.
        assignment: `NoisyAssignment` or None: noise on the digit of each channel,
            within its own levels, while training. The decoder receives the value of the
            result and the quantization loss moves it; the commitment loss pulls to the
            nearest value.
    Input shape: `(batch, ..., embedding_dim)`, float, where `embedding_dim` is the
        number of levels given; the values start in [-0.5, 0.5].
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K), where K is the product
        of the levels; the digit of the first channel changes fastest.
    Losses: quantization_cost * mean((sg(latents) - assigned) ** 2) and
        commitment_cost * mean((latents - sg(nearest)) ** 2).
    State: values `(sum of the levels,)`, one channel after the other.
    Raises: ValueError: if a level is below 2, a cost is negative, there are more codes
        than int32 counts, the last axis of the input is not the number of levels, or
        the assignment needs a codebook.
    Source: Hsu et al. 2023, arXiv 2305.18378. Differs: channels may differ
        in their number of values.
    Example:
        >>> quantizer = LatentQuantizer((10, 10, 10))
        >>> quantizer.encode(quantizer(np.ones((2, 3), "float32"))).shape
        TensorShape([2])
    """

    def __init__(
        self,
        levels,
        *,
        commitment_cost=0.1,
        quantization_cost=0.1,
        optimize_values=True,
        assignment=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self._losses = quantization.ReplicaLosses()
        self.levels = mixed_radix.check_levels(levels)
        mixed_radix.check_assignment(assignment)
        quantization.check_not_negative(
            commitment_cost=commitment_cost, quantization_cost=quantization_cost
        )
        self.commitment_cost = commitment_cost
        self.quantization_cost = quantization_cost
        self.optimize_values = optimize_values
        self.assignment = assignment

    @property
    def num_embeddings(self):
        """Number of values of an index, the product of the levels."""
        return math.prod(self.levels)

    @property
    def embedding_dim(self):
        """Last axis of the latents, the number of levels given."""
        return len(self.levels)

    @property
    def codebook(self):
        """The implicit code vectors in the order of their indices, `(K, D)`."""
        indices = ops.arange(self.num_embeddings, dtype="int32")
        return self._vectors(mixed_radix.to_digits(indices, self.levels))

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        self.values = self.add_weight(
            name="values",
            shape=(sum(self.levels),),
            initializer=self._spread_evenly,
            trainable=self.optimize_values,
            dtype="float32",
            autocast=False,
        )

    def _spread_evenly(self, shape, dtype=None):
        parts = [ops.linspace(-0.5, 0.5, count, dtype=dtype) for count in self.levels]
        return ops.concatenate(parts)

    def call(self, latents, training=False):
        latents = ops.cast(latents, "float32")
        digits = self._nearest(latents)
        nearest = assigned = self._vectors(digits)
        if training and self.assignment is not None:
            digits = mixed_radix.perturb(self.assignment, digits, self.levels)
            assigned = self._vectors(digits)
        if self.optimize_values:
            moved = quantization.mean_squared_distance(assigned, latents)
            self.add_loss(self.quantization_cost * moved)
        commitment = quantization.mean_squared_distance(latents, nearest)
        self.add_loss(self.commitment_cost * commitment)
        return ops.cast(straight_through(latents, assigned), self.compute_dtype)

    def _nearest(self, latents):
        """Digit of each channel's nearest value, int32 `(..., D)`."""
        columns, first = [], 0
        rows = ops.reshape(latents, (-1, self.embedding_dim))
        for j, count in enumerate(self.levels):
            values = ops.stop_gradient(self.values[first : first + count])
            order = ops.argsort(values)
            ascending = ops.take(values, order)
            middles = (ascending[1:] + ascending[:-1]) / 2
            places = ops.searchsorted(middles, rows[:, j])
            columns.append(ops.take(ops.cast(order, "int32"), places))
            first += count
        return ops.reshape(ops.stack(columns, axis=-1), ops.shape(latents))

    def _vectors(self, digits):
        firsts = [sum(self.levels[:j]) for j in range(self.embedding_dim)]
        return ops.take(self.values, digits + ops.convert_to_tensor(firsts, "int32"))

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        latents = ops.cast(latents, "float32")
        quantization.check_last_axis(latents.shape, self.embedding_dim)
        return mixed_radix.to_indices(self._nearest(latents), self.levels)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        vectors = self._vectors(mixed_radix.to_digits(codes, self.levels))
        return ops.cast(vectors, self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        latents = ops.cast(latents, "float32")
        nearest = self._vectors(self._nearest(latents))
        distance = quantization.mean_squared_distance(latents, nearest)
        terms = {"commitment": distance}
        if self.optimize_values:
            terms["quantization"] = distance
        return terms

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            levels=list(self.levels),
            commitment_cost=self.commitment_cost,
            quantization_cost=self.quantization_cost,
            optimize_values=self.optimize_values,
            assignment=keras.saving.serialize_keras_object(self.assignment),
        )
        return config

    @classmethod
    def from_config(cls, config):
        return quantization.from_config(cls, config)

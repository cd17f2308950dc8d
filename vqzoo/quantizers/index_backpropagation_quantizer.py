"""Vector quantizer whose gradient reaches every code through the choice itself."""

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers import quantization, soft_codes


@keras.saving.register_keras_serializable("vqzoo")
class IndexBackpropagationQuantizer(keras.layers.Layer):
    """Replaces each latent by the nearest code; the gradient passes the one-hot choice.

    Forward, the one-hot vector of the nearest code picks the code. Backward, it is
    taken for the softmax over all codes, so that each step moves every code and the
    latents feel where the neighboring codes lie. At inference the nearest code is
    taken, at the cost of a look-up, with the plain straight-through gradient.

    The probability of code k is proportional to exp(-|z - e_k|^2 / (temperature * u)),
    where u is the batch's mean squared distance to the nearest code, so that the
    softmax reaches as far whatever D and the scale of the latents are. The entropy loss
    keeps all codes in use; it takes a low temperature. Latents are taken in blocks of
    2**22 / K, whose probabilities are computed anew on the way back: the N x K table is
    never stored.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta, no unit. Defaults to 0.25.
        entropy_weight: float, of the entropy of each latent's probabilities minus the
            entropy of their mean, in nats. Defaults to 0.001.
        temperature: float above 0, in the unit u. Defaults to 0.1.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        assignment: `NoisyAssignment` or another assignment, or None: a perturbation of
            the chosen code while training. The decoder receives the perturbed code and
            the codebook loss moves it; the commitment loss pulls to the nearest code.
        seed: int or None, of the start.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: the double quantization loss: mean((sg(latents) - assigned) ** 2),
        commitment_cost * mean((latents - sg(nearest)) ** 2) and
        mean((latents - quantized) ** 2), whose gradient passes the softmax; with an
        entropy_weight, that times the difference of entropies.
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; started `()`.
    Raises: ValueError: if a size or the temperature is not positive, a weight is
        negative, or the last axis of the input is not `embedding_dim`.
    Source: Shi et al. 2024, arXiv 2412.02692. Differs: scores are squared
        distances in a measured unit in the place of inner products, which saturate
        when the latents grow; the codes start on latents; each term is a mean per
        element; beta is on the commitment, as in the VQ-VAE.
    Example:
        >>> quantizer = IndexBackpropagationQuantizer(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        entropy_weight=0.001,
        temperature=0.1,
        codebook_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self._losses = quantization.ReplicaLosses()
        quantization.check_sizes(num_embeddings, embedding_dim)
        quantization.check_not_negative(
            commitment_cost=commitment_cost, entropy_weight=entropy_weight
        )
        if not temperature > 0:
            raise ValueError(
                f"expected a temperature above 0, received temperature={temperature}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.entropy_weight = entropy_weight
        self.temperature = temperature
        self.codebook_init = codebook_init
        self.assignment = assignment
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        soft_codes.add_codebook(self)

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        return self.codebook_start + self.codebook_offset

    def call(self, latents, training=False):
        inputs = ops.cast(latents, "float32")
        rows = ops.reshape(inputs, (-1, self.embedding_dim))
        codebook = self.codebook
        if training:
            codebook = soft_codes.start_codebook(self, rows)
        codes, nearest = quantization.look_up(rows, codebook)
        assigned = nearest
        if training and self.assignment is not None:
            codes = quantization.assign(
                self.assignment, rows, codes, codebook, ops.shape(inputs)[:-1]
            )
            assigned = ops.take(codebook, codes, axis=0)
        if training:
            mixture, entropy = self._mix(rows, codebook, nearest)
            quantized = assigned + (mixture - ops.stop_gradient(mixture))
        else:
            quantized, entropy = straight_through(rows, nearest), None
            if self.entropy_weight:
                entropy = self._mix(rows, codebook, nearest)[1]
        self._add_losses(rows, nearest, assigned, quantized, entropy)
        return ops.cast(ops.reshape(quantized, ops.shape(inputs)), self.compute_dtype)

    def _mix(self, rows, codebook, nearest):
        """Sum of p_k sg(e_k) for each row, and the difference of the entropies."""
        unit = self.temperature * soft_codes.distance_unit(rows, nearest)

        def mix(rows, valid, index, codebook):
            distances = soft_codes.squared_distances(rows, codebook)
            log_p = ops.log_softmax(-distances / unit, axis=1)
            mixture = ops.matmul(ops.exp(log_p), ops.stop_gradient(codebook))
            p = valid * ops.exp(log_p)
            return (mixture,), (ops.sum(p, axis=0), ops.sum(p * log_p))

        (mixture,), (sum_p, sum_p_log_p) = soft_codes.over_blocks(
            mix, rows, (codebook,), self.num_embeddings
        )
        num_rows = ops.cast(ops.shape(rows)[0], "float32")
        of_mean = soft_codes.entropy_of_mean(sum_p / num_rows)
        return mixture, -sum_p_log_p / num_rows - of_mean

    def _add_losses(self, rows, nearest, assigned, quantized, entropy):
        self.add_loss(quantization.mean_squared_distance(assigned, rows))
        commitment = quantization.mean_squared_distance(rows, nearest)
        self.add_loss(self.commitment_cost * commitment)
        self.add_loss(ops.mean(ops.square(quantized - rows)))
        if self.entropy_weight:
            self.add_loss(self.entropy_weight * entropy)

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Nearest codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        return quantization.encode(latents, self.codebook)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(ops.take(self.codebook, codes, axis=0), self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        rows = ops.reshape(ops.cast(latents, "float32"), (-1, self.embedding_dim))
        codebook = self.codebook
        nearest = quantization.look_up(rows, codebook)[1]
        distance = quantization.mean_squared_distance(rows, nearest)
        terms = {"codebook": distance, "commitment": distance, "index": distance}
        if self.entropy_weight:
            terms["entropy"] = self._mix(rows, codebook, nearest)[1]
        return terms

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            num_embeddings=self.num_embeddings,
            embedding_dim=self.embedding_dim,
            commitment_cost=self.commitment_cost,
            entropy_weight=self.entropy_weight,
            temperature=self.temperature,
            codebook_init=quantization.initializer_config(self.codebook_init),
            assignment=keras.saving.serialize_keras_object(self.assignment),
            seed=self.seed,
        )
        return config

    @classmethod
    def from_config(cls, config):
        return quantization.from_config(cls, config)

"""Vector quantizer whose codebook is learned by gradient."""

import keras
from keras import ops

from vqzoo.layers import quantization
from vqzoo.ops import straight_through


@keras.saving.register_keras_serializable("vqzoo")
class VectorQuantizer(keras.layers.Layer):
    """Replaces each latent by the nearest code of a codebook learned by gradient.

    The codebook loss moves each code toward the latents that chose it, the commitment
    loss moves the latents toward their codes; the optimizer of the model does both. At
    inference the nearest code is taken.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 3, no unit. Defaults to 0.25.
        codebook_init: a Keras initializer, or None for uniform in [-1/K, 1/K].
        assignment: `NoisyAssignment` or None: a perturbation of the chosen code while
            training. The decoder receives the perturbed code and the codebook loss
            moves it; the commitment loss pulls to the nearest code.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: mean((sg(latents) - assigned) ** 2) and
        commitment_cost * mean((latents - sg(nearest)) ** 2).
    State: codebook `(K, D)`, trainable.
    Raises: ValueError: if a size is not positive, or the last axis of the input is not
        `embedding_dim`.
    Source: van den Oord et al. 2017, arXiv 1711.00937, eq. 3. Differs: each term is a
        mean per element, so that neither batch nor grid changes its weight.
    Example:
        >>> quantizer = VectorQuantizer(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        codebook_init=None,
        assignment=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self._losses = quantization.ReplicaLosses()
        quantization.check_sizes(num_embeddings, embedding_dim, commitment_cost)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.codebook_init = codebook_init
        self.assignment = assignment

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        bound = 1 / self.num_embeddings
        self.codebook = self.add_weight(
            name="codebook",
            shape=(self.num_embeddings, self.embedding_dim),
            initializer=self.codebook_init
            or keras.initializers.RandomUniform(-bound, bound),
            dtype="float32",
            autocast=False,
        )

    def call(self, latents, training=False):
        inputs = ops.cast(latents, "float32")
        rows = ops.reshape(inputs, (-1, self.embedding_dim))
        codes, nearest = quantization.look_up(rows, self.codebook)
        assigned = nearest
        if training and self.assignment is not None:
            codes = quantization.perturb(
                self.assignment, codes, ops.shape(inputs)[:-1], self.num_embeddings
            )
            assigned = ops.take(self.codebook, codes, axis=0)
        self.add_loss(quantization.mean_squared_distance(assigned, rows))
        commitment = quantization.mean_squared_distance(rows, nearest)
        self.add_loss(self.commitment_cost * commitment)
        quantized = straight_through(rows, assigned)
        return ops.cast(ops.reshape(quantized, ops.shape(inputs)), self.compute_dtype)

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
        nearest = ops.take(self.codebook, self.encode(latents), axis=0)
        latents = ops.cast(latents, "float32")
        distance = quantization.mean_squared_distance(latents, nearest)
        return {"codebook": distance, "commitment": distance}

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            num_embeddings=self.num_embeddings,
            embedding_dim=self.embedding_dim,
            commitment_cost=self.commitment_cost,
            codebook_init=quantization.initializer_config(self.codebook_init),
            assignment=keras.saving.serialize_keras_object(self.assignment),
        )
        return config

    @classmethod
    def from_config(cls, config):
        return quantization.from_config(cls, config)
